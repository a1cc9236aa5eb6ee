import { Menu } from "@base-ui/react/menu";
import { Ban, Clock, Eraser, Flag, IdCard, MessageSquareWarning, SquarePen, Trash2 } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ChatMessage } from "@/api/types";
import { ReportDialog } from "@/features/report/ReportDialog";
import { useLang } from "@/i18n/useLang";
import { ActDialog, type ActKind } from "./ActDialog";
import { TIMEOUTS } from "./acts";
import { Card } from "./Card";
import { useActs } from "./useActs";
import { span } from "./words";

const item =
  "flex h-9 w-full items-center gap-3 rounded-sm px-2.5 text-[15px] outline-none data-[highlighted]:bg-melt-wash [&_svg]:size-[18px] [&_svg]:shrink-0 [&_svg]:text-soft";

/** What a moderator may do with a line and its author. It is open as long as it is there. */
export function ModMenu({
  channel,
  message,
  anchor,
  onClose,
}: {
  channel: string;
  message: ChatMessage;
  anchor: HTMLElement;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const { act } = useActs(channel);
  const [isOpen, setOpen] = useState(true);
  const [asked, setAsked] = useState<ActKind | "card" | "report" | null>(null);
  const isAsking = useRef(false);
  const member = message.user.username;
  const name = message.user.display_name;

  const ask = (kind: ActKind | "card" | "report") => {
    isAsking.current = true;
    setAsked(kind);
  };
  const entry = (icon: ReactNode, label: string, testId: string, onClick: () => void) => (
    <Menu.Item className={item} onClick={onClick} data-testid={testId}>
      {icon}
      <span className="flex-1">{label}</span>
    </Menu.Item>
  );
  return (
    <>
      <Menu.Root
        open={isOpen}
        onOpenChange={setOpen}
        onOpenChangeComplete={(open) => !open && !isAsking.current && onClose()}
        modal={false}
      >
        {/* The popup stays inside the page's landmark. */}
        <Menu.Portal container={anchor.closest<HTMLElement>("section")}>
          <Menu.Positioner
            anchor={anchor}
            positionMethod="fixed"
            side="bottom"
            align="end"
            sideOffset={4}
            className="z-[70]"
          >
            <Menu.Popup
              className="popup max-h-[var(--available-height)] w-64 overflow-y-auto p-1.5"
              data-testid="mod-menu-popup"
              aria-label={t("mod.act_on", { name })}
              finalFocus={(how) => {
                // The line stays, its buttons may not: what was done may have removed it.
                const back = anchor.closest<HTMLElement>(how === "keyboard" ? "[data-index]" : "[role=log]");
                back?.focus({ preventScroll: true });
                return back === null;
              }}
            >
              <p className="truncate px-2.5 pt-1.5 pb-1 font-semibold text-faint text-xs">{name}</p>
              {entry(
                <Trash2 />,
                t("mod.delete"),
                "mod-delete",
                () => void act({ action: "delete", message_id: message.id }),
              )}
              {TIMEOUTS.map((seconds) => (
                <Menu.Item
                  key={seconds}
                  className={item}
                  data-testid={`mod-timeout-${seconds}`}
                  onClick={() => void act({ action: "timeout", member, seconds, strike: true })}
                >
                  <Clock />
                  <span className="flex-1">{t("mod.timeout_for", { span: span(seconds, lang) })}</span>
                </Menu.Item>
              ))}
              {entry(
                <Ban />,
                t("mod.ban"),
                "mod-ban",
                () => void act({ action: "ban", member, strike: true }),
              )}
              <Menu.Separator className="my-1 h-px bg-line" />
              {entry(<IdCard />, t("mod.card.open"), "mod-card-open", () => ask("card"))}
              {entry(<MessageSquareWarning />, t("mod.warn_ask"), "mod-warn", () => ask("warn"))}
              {entry(<SquarePen />, t("mod.custom"), "mod-custom", () => ask("timeout"))}
              {entry(
                <Eraser />,
                t("mod.clear_member"),
                "mod-clear-member",
                () => void act({ action: "clear", member }),
              )}
              {entry(<Flag />, t("report.line"), "mod-report", () => ask("report"))}
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      {asked === "card" ? (
        <Card channel={channel} member={member} name={name} onClose={onClose} />
      ) : asked === "report" ? (
        <ReportDialog
          choices={[{ value: "line", label: "", about: { message_id: message.id, channel } }]}
          title={t("report.line_by", { name })}
          excerpt={message.text}
          onClose={onClose}
        />
      ) : (
        asked && <ActDialog channel={channel} member={member} name={name} first={asked} onClose={onClose} />
      )}
    </>
  );
}
