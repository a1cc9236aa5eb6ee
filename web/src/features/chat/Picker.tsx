import { Popover } from "@base-ui/react/popover";
import { SmilePlus } from "lucide-react";
import { type ReactElement, useState } from "react";
import { useTranslation } from "react-i18next";
import { EmoteImage } from "@/features/emotes/EmoteImage";
import { EMOTES, useOwnEmotes } from "@/features/emotes/emotes";

const EMOJI = "👍 ❤️ 😂 😮 😢 😡 🎉 🔥 👏 🙏 💯 👀 🤔 😍 🥳 😅 🫡 🤯 🚀 💪 🍿 ☕ 🌊 ✨".split(" ");

/** A small board of emoji and this site's emotes. */
export function Picker({
  label,
  onPick,
  trigger,
}: {
  label: string;
  onPick: (emoji: string) => void;
  trigger: ReactElement<Record<string, unknown>>;
}) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const own = useOwnEmotes();
  const pick = (emoji: string) => {
    setOpen(false);
    onPick(emoji);
  };
  const cell = "grid size-9 place-items-center rounded-sm text-xl leading-none hover:bg-raised";
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger render={trigger} aria-label={label}>
        <SmilePlus />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="top" align="end" sideOffset={6} className="z-[70]">
          <Popover.Popup
            className="popup max-h-[var(--available-height)] w-[312px] max-w-[calc(100vw-24px)] overflow-y-auto p-2"
            data-testid="chat-picker"
          >
            <Popover.Title className="sr-only">{label}</Popover.Title>
            <div className="grid grid-cols-8">
              {EMOJI.map((emoji) => (
                <button key={emoji} type="button" className={cell} onClick={() => pick(emoji)}>
                  {emoji}
                </button>
              ))}
            </div>
            {own.length > 0 && (
              <>
                <p className="px-1 pt-2 pb-1 font-semibold text-faint text-xs">{t("emotes.channels")}</p>
                <div className="grid grid-cols-8" data-testid="own-emotes">
                  {own.map((one) => (
                    <button
                      key={one.id}
                      type="button"
                      className={cell}
                      title={`:${one.name}:`}
                      onClick={() => pick(`:${one.name}:`)}
                    >
                      <EmoteImage url={one.url} name={one.name} className="size-7" />
                    </button>
                  ))}
                </div>
              </>
            )}
            <p className="px-1 pt-2 pb-1 font-semibold text-faint text-xs">{t("chat.emotes")}</p>
            <div className="grid grid-cols-8">
              {EMOTES.map((name) => (
                <button
                  key={name}
                  type="button"
                  className={cell}
                  title={`:${name}:`}
                  onClick={() => pick(`:${name}:`)}
                >
                  <img src={`/emotes/${name}.svg`} alt={`:${name}:`} className="size-6" />
                </button>
              ))}
            </div>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
