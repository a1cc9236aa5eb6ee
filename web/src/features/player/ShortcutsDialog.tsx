import type { RefObject } from "react";
import { useTranslation } from "react-i18next";
import { setShortcuts, usePrefs } from "@/lib/prefs";
import { Dialog } from "@/ui/dialog";
import { Segmented } from "@/ui/segmented";

/** What each key does. */
const KEYS = [
  ["toggle", ["Space", "k"]],
  ["skip", ["j", "l"]],
  ["step", ["←", "→"]],
  ["volume", ["↑", "↓"]],
  ["mute", ["m"]],
  ["fullscreen", ["f"]],
  ["theatre", ["t"]],
  ["pip", ["i"]],
  ["captions", ["c"]],
  ["share", ["0", "…", "9"]],
  ["ends", ["Home", "End"]],
  ["speed", ["<", ">"]],
  ["frame", [",", "."]],
  ["clip", ["Alt", "x"]],
  ["help", ["?"]],
] as const;

export function ShortcutsDialog({
  isOpen,
  onClose,
  container,
}: {
  isOpen: boolean;
  onClose: () => void;
  /** Where it is drawn: within what fills the screen, or it would not be seen. */
  container?: RefObject<HTMLElement | null>;
}) {
  const { t } = useTranslation();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={t("player.shortcuts.title")} container={container}>
      <dl
        className="grid grid-cols-[1fr_auto] items-center gap-x-6 gap-y-2 text-[15px]"
        data-testid="shortcuts"
      >
        {KEYS.map(([name, keys]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{t(`player.shortcuts.${name}`)}</dt>
            <dd className="flex justify-end gap-1">
              {keys.map((key) => (
                <kbd
                  key={key}
                  className="min-w-7 rounded-sm border border-line bg-sunken px-1.5 py-0.5 text-center font-mono text-[13px]"
                >
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <ShortcutSwitch />
    </Dialog>
  );
}

export function ShortcutSwitch() {
  const { t } = useTranslation();
  const hasShortcuts = usePrefs((prefs) => prefs.hasShortcuts);
  return (
    <Segmented
      label={t("player.shortcuts.switch")}
      value={hasShortcuts ? "on" : "off"}
      onChange={(value) => setShortcuts(value === "on")}
      options={(["on", "off"] as const).map((value) => ({ value, label: t(`player.shortcuts.${value}`) }))}
    />
  );
}
