// The chat laid over a picture: large lines without a ground, the newest at the bottom, nothing to click.
import { type CSSProperties, useLayoutEffect } from "react";
import { useTranslation } from "react-i18next";
import { setOverlaid } from "@/lib/prefs";
import { Line } from "./Line";
import type { ChatRoom } from "./useChat";

const FONT_PX = 24;
/** More do not fit on any picture. */
const LINES_SHOWN = 40;
const NOTHING = {};

export function Overlay({ room, fontPx = FONT_PX }: { room: ChatRoom; fontPx?: number }) {
  const { t } = useTranslation();
  useLayoutEffect(() => {
    setOverlaid(true);
    return () => setOverlaid(false);
  }, []);
  const shown = room.lines.filter((line) => !line.deleted).slice(-LINES_SHOWN);
  return (
    <div
      role="log"
      aria-live="off"
      aria-label={t("chat.log")}
      data-testid="chat-overlay"
      data-joined={room.isJoined}
      className="chat-overlay pointer-events-none flex h-dvh flex-col justify-end overflow-hidden pb-2"
      style={{ "--chat-size": `${fontPx}px` } as CSSProperties}
    >
      {shown.map((message) => (
        <Line key={message.id} message={message} myName={null} actions={NOTHING} />
      ))}
    </div>
  );
}
