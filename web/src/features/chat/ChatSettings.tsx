import { Popover } from "@base-ui/react/popover";
import { Settings2 } from "lucide-react";
import { useTranslation } from "react-i18next";
import { CHAT_SIZES, setChatHeld, setChatSize, setChatTimes, usePrefs } from "@/lib/prefs";
import { Button } from "@/ui/button";

/** How this browser shows chat. */
export function ChatSettings() {
  const { t } = useTranslation();
  const size = usePrefs((prefs) => prefs.chatSize);
  const hasTimes = usePrefs((prefs) => prefs.hasChatTimes);
  const isHeld = usePrefs((prefs) => prefs.isChatHeld);
  return (
    <Popover.Root>
      <Popover.Trigger
        render={<Button look="ghost" size="icon-s" />}
        aria-label={t("chat.settings")}
        data-testid="chat-settings"
      >
        <Settings2 />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="end" sideOffset={6} className="z-[70]">
          <Popover.Popup className="popup w-64 p-4">
            <Popover.Title className="mb-3 font-bold text-[15px]">{t("chat.settings")}</Popover.Title>
            <fieldset className="mb-3">
              <legend className="mb-1.5 text-soft text-sm">{t("chat.size")}</legend>
              <div className="flex gap-1.5">
                {CHAT_SIZES.map((one, index) => (
                  <button
                    key={one}
                    type="button"
                    aria-pressed={one === size}
                    aria-label={t("chat.size_named", { step: index + 1 })}
                    onClick={() => setChatSize(one)}
                    className="grid h-9 flex-1 place-items-center rounded-sm border border-line aria-pressed:border-melt aria-pressed:bg-melt-wash"
                    style={{ fontSize: one }}
                  >
                    A
                  </button>
                ))}
              </div>
            </fieldset>
            <label className="flex min-h-8 items-center gap-2.5 text-sm">
              <input
                type="checkbox"
                checked={hasTimes}
                onChange={(event) => setChatTimes(event.target.checked)}
                className="size-4 accent-[var(--melt)]"
              />
              {t("chat.times")}
            </label>
            <label className="flex min-h-8 items-center gap-2.5 text-sm">
              <input
                type="checkbox"
                checked={isHeld}
                onChange={(event) => setChatHeld(event.target.checked)}
                data-testid="chat-hold"
                className="size-4 accent-[var(--melt)]"
              />
              {t("chat.hold")}
            </label>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
