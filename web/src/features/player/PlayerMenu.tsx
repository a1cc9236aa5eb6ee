import { Menu } from "@base-ui/react/menu";
import { Check, Settings2 } from "lucide-react";
import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { setLatencyMode, setQuality, usePrefs } from "@/lib/prefs";
import type { Mediator } from "./mediator";
import { AUDIO_ONLY, AUTO, find, type QualityChoice } from "./quality";
import { SPEEDS } from "./request";
import { useView } from "./useMediator";

type Props = {
  mediator: Mediator | null;
  isLive: boolean;
  container: RefObject<HTMLElement | null>;
  onStats: () => void;
  onHelp: () => void;
  onMenu: (isOpen: boolean) => void;
};

/** Quality, and delay (live) or speed (recording). Lives inside the frame so that full screen shows it. */
export function PlayerMenu({ mediator, isLive, container, onStats, onHelp, onMenu }: Props) {
  const { t } = useTranslation();
  const lang = useLang();
  const latencyMode = usePrefs((prefs) => prefs.latencyMode);
  const qualities = useView(mediator, (view) => view.engine.qualities);
  const chosen = useView(mediator, (view) => view.engine.chosen);
  const active = useView(mediator, (view) => view.engine.active);
  const speed = useView(mediator, (view) => view.speed);
  const tracks = useView(mediator, (view) => view.tracks);
  const track = useView(mediator, (view) => view.track);
  const nameOf = (id: QualityChoice) =>
    id === AUDIO_ONLY ? t("player.audio_only") : id === "source" ? t("player.source") : id;
  const auto =
    active && chosen === AUTO ? t("player.auto_now", { quality: nameOf(active.id) }) : t("player.auto");
  // A choice made elsewhere may not exist here: the nearest is played and marked.
  const marked = chosen === AUDIO_ONLY ? chosen : (find(qualities, chosen)?.id ?? AUTO);
  return (
    <Menu.Root modal={false} onOpenChange={onMenu}>
      <Menu.Trigger
        className="player-tool"
        aria-label={t("player.settings")}
        title={t("player.settings")}
        data-testid="player-settings"
        data-quality={active?.id ?? ""}
      >
        <Settings2 />
      </Menu.Trigger>
      <Menu.Portal container={container}>
        <Menu.Positioner side="top" align="end" sideOffset={10} className="z-30">
          {/* On a low screen it scrolls: then it must take the focus itself while no item has it. */}
          <Menu.Popup
            tabIndex={0}
            className="popup player-menu min-w-[13rem] overflow-y-auto p-1.5 text-sm"
            data-testid="player-menu"
          >
            <Group
              label={t("player.quality")}
              value={marked}
              onChange={(value) => {
                setQuality(value);
                mediator?.request({ do: "quality", to: value });
              }}
              items={[
                { value: AUTO, label: auto },
                ...qualities.map(({ id }) => ({ value: id, label: nameOf(id) })),
              ]}
            />
            {isLive && (
              <Group
                label={t("player.delay")}
                value={latencyMode}
                onChange={(value) => setLatencyMode(value === "low" ? "low" : "normal")}
                items={[
                  { value: "low", label: t("player.delay_low") },
                  { value: "normal", label: t("player.delay_normal") },
                ]}
              />
            )}
            {!isLive && (
              <Group
                label={t("player.speed")}
                value={String(speed)}
                onChange={(value) => mediator?.request({ do: "speed", to: Number(value) })}
                items={SPEEDS.map((value) => ({
                  value: String(value),
                  label: t("player.times", { value: new Intl.NumberFormat(lang).format(value) }),
                }))}
              />
            )}
            {tracks.length > 0 && (
              <Group
                label={t("player.captions")}
                value={String(track)}
                onChange={(value) => mediator?.request({ do: "track", to: Number(value) })}
                items={[
                  { value: "-1", label: t("player.captions_off") },
                  ...tracks.map(({ index, label }) => ({ value: String(index), label })),
                ]}
              />
            )}
            <Menu.Separator className="my-1 h-px bg-line" />
            <Menu.Item className="player-item" onClick={onStats} data-testid="open-stats">
              {t("player.stats.title")}
            </Menu.Item>
            <Menu.Item className="player-item" onClick={onHelp} data-testid="open-shortcuts">
              {t("player.shortcuts.title")}
            </Menu.Item>
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Group({
  label,
  value,
  items,
  onChange,
}: {
  label: string;
  value: string;
  items: { value: string; label: string }[];
  onChange: (value: string) => void;
}) {
  return (
    <Menu.RadioGroup value={value} onValueChange={(next) => onChange(String(next))} className="py-1">
      <Menu.Group>
        <Menu.GroupLabel className="px-2.5 pb-1 font-semibold text-faint text-xs">{label}</Menu.GroupLabel>
        {items.map((item) => (
          <Menu.RadioItem key={item.value} value={item.value} closeOnClick className="player-item">
            {item.label}
            <Menu.RadioItemIndicator>
              <Check className="size-4 text-melt" />
            </Menu.RadioItemIndicator>
          </Menu.RadioItem>
        ))}
      </Menu.Group>
    </Menu.RadioGroup>
  );
}
