// The moderators' desk: the chat, and beside it panels that are resized and hidden as each member likes.
import { Popover } from "@base-ui/react/popover";
import { Tabs } from "@base-ui/react/tabs";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Columns3, ExternalLink } from "lucide-react";
import { Fragment, type ReactNode, useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Group, Panel, Separator, useDefaultLayout } from "react-resizable-panels";
import type { User } from "@/api/types";
import { Chat } from "@/features/chat/Chat";
import type { ChatRoom } from "@/features/chat/useChat";
import { cx } from "@/lib/cx";
import { serverTime } from "@/lib/serverClock";
import { useMedia } from "@/lib/useMedia";
import { useLine } from "@/realtime/socket";
import { PageHead } from "@/shell/PageHead";
import { Button, buttonClass } from "@/ui/button";
import { FiltersPanel } from "./FiltersPanel";
import { Frame } from "./Frame";
import { HeldPanel } from "./HeldPanel";
import { LogPanel } from "./LogPanel";
import { COLUMNS, hiddenPanels, keepHidden, PANELS, type PanelId, sizesOf } from "./layout";
import { ModeratorsPanel } from "./ModeratorsPanel";
import { ModesPanel } from "./ModesPanel";
import { heldLines, reports, requests } from "./queries";
import { ReportsPanel } from "./ReportsPanel";
import { RequestsPanel } from "./RequestsPanel";
import { SanctionsPanel } from "./SanctionsPanel";
import { useActs, useLastAct } from "./useActs";
import type { Seat } from "./useDesk";

/** The modes and the log need more room than the others, by how many panels share the column. */
const LARGE_SHARE: Record<number, string> = { 2: "62%", 3: "46%", 4: "37%" };
const shareOf = (panel: PanelId, of: number) =>
  panel === "modes" || (panel === "log" && of > 2)
    ? LARGE_SHARE[of]
    : panel === "held" && of === 2
      ? "32%"
      : undefined;

type Props = { channel: string; me: User; room: ChatRoom; seat: Seat };

export function Desk({ channel, me, room, seat }: Props) {
  const { t } = useTranslation();
  const line = useLine((state) => state.state);
  const isWide = useMedia("(min-width: 1024px)");
  const [hidden, setHidden] = useState(() => hiddenPanels(me.id));
  const show = (panel: PanelId, isShown: boolean) => {
    const next = PANELS.filter((one) => (one === panel ? !isShown : hidden.includes(one)));
    setHidden(next);
    keepHidden(me.id, next);
  };
  useUndoKey(channel);
  return (
    <div className="flex h-[calc(100dvh-var(--header-h)-var(--bottom-h)-env(safe-area-inset-bottom))] min-h-[420px] flex-col max-md:-mb-6 md:-mb-10 md:h-[calc(100dvh-var(--header-h))]">
      <header className="flex shrink-0 items-center gap-x-4 gap-y-2 border-line border-b bg-surface px-4 py-2.5 lg:flex-wrap">
        <div className="mr-auto flex min-w-0 items-baseline gap-3 [&>div]:mb-0 [&>div]:min-w-0 [&_h1]:truncate [&_h1]:text-xl">
          <PageHead title={t("mod.title", { name: channel })} />
          <span
            role="status"
            className="shrink-0 whitespace-nowrap text-faint text-sm"
            data-testid="desk"
            data-seat={seat}
          >
            {seat === "taken"
              ? room.viewers !== null && t("live.viewers", { count: room.viewers })
              : line === "down"
                ? t("chat.reconnecting")
                : t("chat.connecting")}
          </span>
        </div>
        {isWide && <PanelChoice hidden={hidden} onShow={show} />}
        <Link
          to="/c/$username"
          params={{ username: channel }}
          className={buttonClass("soft", isWide ? "s" : "icon-s")}
          aria-label={t("mod.to_channel")}
        >
          <ExternalLink />
          {isWide && t("mod.to_channel")}
        </Link>
      </header>
      {isWide ? (
        <Columns
          channel={channel}
          me={me}
          room={room}
          hidden={hidden}
          onHide={(panel) => show(panel, false)}
        />
      ) : (
        <Tabbed channel={channel} me={me} room={room} />
      )}
    </div>
  );
}

type BodyProps = Pick<Props, "channel" | "me" | "room">;

function PanelBody({ panel, channel, me, room }: BodyProps & { panel: PanelId }): ReactNode {
  switch (panel) {
    case "held":
      return <HeldPanel channel={channel} />;
    case "reports":
      return <ReportsPanel channel={channel} />;
    case "requests":
      return <RequestsPanel channel={channel} />;
    case "log":
      return <LogPanel channel={channel} me={me.username} />;
    case "modes":
      return <ModesPanel channel={channel} modes={room.modes} />;
    case "sanctions":
      return <SanctionsPanel channel={channel} />;
    case "filters":
      return <FiltersPanel channel={channel} />;
    case "moderators":
      return <ModeratorsPanel channel={channel} isOwner={me.username === channel} />;
  }
}

/** A panel's title; how many lines wait is worth a glance, and how many reports and requests. */
function useTitles(channel: string): (panel: PanelId) => string {
  const { t } = useTranslation();
  const waiting = useQuery(heldLines(channel)).data?.items.length ?? 0;
  const reported = useInfiniteQuery(reports(channel)).data?.pages;
  const asked = useInfiniteQuery(requests(channel)).data?.pages;
  return (panel) => {
    const title = t(`mod.panel.${panel}`);
    if (panel === "held") return waiting > 0 ? t("mod.held.count", { count: waiting }) : title;
    const pages = panel === "reports" ? reported : panel === "requests" ? asked : undefined;
    const count = pages?.reduce((sum, page) => sum + page.items.length, 0) ?? 0;
    const isMore = Boolean(pages?.at(-1)?.next_cursor);
    return count > 0 ? t("mod.counted", { title, many: isMore ? `${count}+` : `${count}` }) : title;
  };
}

/** Of the same name for the same set of panels: each set has sizes of its own. */
function useKeptSizes(me: User, group: string, panelIds: string[]) {
  const storage = useMemo(() => sizesOf(me.id), [me.id]);
  return useDefaultLayout({
    id: group,
    panelIds,
    storage,
    onlySaveAfterUserInteractions: true,
  });
}

function Columns({
  hidden,
  onHide,
  ...body
}: BodyProps & { hidden: readonly PanelId[]; onHide: (panel: PanelId) => void }) {
  const { t } = useTranslation();
  const columns = (Object.keys(COLUMNS) as (keyof typeof COLUMNS)[])
    .map((id) => ({ id, panels: COLUMNS[id].filter((panel) => !hidden.includes(panel)) as PanelId[] }))
    .filter(({ panels }) => panels.length > 0);
  const kept = useKeptSizes(body.me, "columns", ["chat", ...columns.map(({ id }) => id)]);
  return (
    <Group {...kept} orientation="horizontal" className="min-h-0 flex-1">
      <Panel
        id="chat"
        data-testid="pane-chat"
        minSize="280px"
        defaultSize={columns.length > 1 ? "40%" : "60%"}
      >
        <Chat room={body.room} username={body.channel} className="h-full" isDesk />
      </Panel>
      {columns.map(({ id, panels }) => (
        <Fragment key={id}>
          <Handle isUpright label={t(`mod.columns.${id}`)} />
          <Panel id={id} data-testid={`pane-${id}`} minSize="240px">
            <Stack id={id} panels={panels} onHide={onHide} {...body} />
          </Panel>
        </Fragment>
      ))}
    </Group>
  );
}

function Stack({
  id,
  panels,
  onHide,
  ...body
}: BodyProps & { id: string; panels: PanelId[]; onHide: (panel: PanelId) => void }) {
  const { t } = useTranslation();
  const kept = useKeptSizes(body.me, id, panels);
  const titleOf = useTitles(body.channel);
  return (
    <Group {...kept} orientation="vertical">
      {panels.map((panel, index) => (
        <Fragment key={panel}>
          {index > 0 && (
            <Handle label={t("mod.resize", { title: t(`mod.panel.${panels[index - 1] as PanelId}`) })} />
          )}
          <Panel
            id={panel}
            data-testid={`pane-${panel}`}
            minSize="120px"
            defaultSize={shareOf(panel, panels.length)}
          >
            <Frame id={panel} title={titleOf(panel)} onHide={() => onHide(panel)}>
              <PanelBody panel={panel} {...body} />
            </Frame>
          </Panel>
        </Fragment>
      ))}
    </Group>
  );
}

/** Dragged, or moved with the arrow keys. */
function Handle({ label, isUpright = false }: { label: string; isUpright?: boolean }) {
  return (
    <Separator
      aria-label={label}
      className={cx(
        "relative shrink-0 bg-line transition-colors before:absolute before:content-[''] hover:bg-melt focus-visible:bg-melt data-[separator=active]:bg-melt",
        isUpright ? "w-1 before:inset-y-0 before:-inset-x-1" : "h-1 before:inset-x-0 before:-inset-y-1",
      )}
    />
  );
}

function PanelChoice({
  hidden,
  onShow,
}: {
  hidden: readonly PanelId[];
  onShow: (panel: PanelId, isShown: boolean) => void;
}) {
  const { t } = useTranslation();
  return (
    <Popover.Root>
      <Popover.Trigger render={<Button size="s" />} data-testid="panels">
        <Columns3 />
        {t("mod.panels")}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="end" sideOffset={6} className="z-[70]">
          <Popover.Popup className="popup w-64 p-4">
            <Popover.Title className="mb-2 font-bold text-[15px]">{t("mod.panels")}</Popover.Title>
            {PANELS.map((panel) => (
              <label key={panel} className="flex min-h-9 items-center gap-2.5 text-sm">
                <input
                  type="checkbox"
                  checked={!hidden.includes(panel)}
                  onChange={(event) => onShow(panel, event.target.checked)}
                  data-testid={`show-${panel}`}
                  className="size-4 accent-[var(--melt)]"
                />
                {t(`mod.panel.${panel}`)}
              </label>
            ))}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** On narrow screens one panel at a time. */
function Tabbed(body: BodyProps) {
  const { t } = useTranslation();
  const titleOf = useTitles(body.channel);
  return (
    <Tabs.Root defaultValue="chat" className="flex min-h-0 flex-1 flex-col">
      <Tabs.List
        aria-label={t("mod.panels")}
        className="flex shrink-0 overflow-x-auto border-line border-b bg-surface px-2"
      >
        {(["chat", ...PANELS] as const).map((panel) => (
          <Tabs.Tab
            key={panel}
            value={panel}
            data-testid={`tab-${panel}`}
            className="h-11 shrink-0 border-transparent border-b-2 px-3 font-semibold text-sm text-soft outline-offset-[-2px] aria-selected:border-melt aria-selected:text-text"
          >
            {panel === "chat" ? t("chat.title") : titleOf(panel)}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value="chat" keepMounted className="min-h-0 flex-1 data-[hidden]:hidden">
        <Chat room={body.room} username={body.channel} className="h-full" isDesk />
      </Tabs.Panel>
      {PANELS.map((panel) => (
        <Tabs.Panel key={panel} value={panel} className="min-h-0 flex-1">
          <Frame id={panel} title={t(`mod.panel.${panel}`)} isTitled={false}>
            <PanelBody panel={panel} {...body} />
          </Frame>
        </Tabs.Panel>
      ))}
    </Tabs.Root>
  );
}

/** Ctrl+Z takes the last act back, wherever nothing is being written. */
function useUndoKey(channel: string): void {
  const { undo } = useActs(channel);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || event.code !== "KeyZ")
        return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, [contenteditable=true]")) return;
      const { last } = useLastAct.getState();
      if (!last || last.channel !== channel || last.until < serverTime(Date.now())) return;
      event.preventDefault();
      void undo(last.actId);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [channel, undo]);
}
