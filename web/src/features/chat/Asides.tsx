// What opens beside a line of a chat: the card of who said it, and the report of either. One of each at a time.
import { lazy, Suspense, useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { aboutOf } from "./about";

const ReportDialog = lazy(() =>
  import("@/features/report/ReportDialog").then(({ ReportDialog }) => ({ default: ReportDialog })),
);
const UserCard = lazy(() => import("./UserCard").then(({ UserCard }) => ({ default: UserCard })));

/** A line, and what of it was pressed. */
export type Pressed = { message: ChatMessage; anchor: HTMLElement };

export type Asides = ReturnType<typeof useAsides>;

export function useAsides() {
  const [carded, setCarded] = useState<Pressed | null>(null);
  const [reported, setReported] = useState<{ message: ChatMessage; isMember: boolean } | null>(null);
  const onAuthor = useCallback(
    (message: ChatMessage, anchor: HTMLElement) => setCarded({ message, anchor }),
    [],
  );
  const onReport = useCallback((message: ChatMessage) => setReported({ message, isMember: false }), []);
  return { carded, setCarded, reported, setReported, onAuthor, onReport };
}

export function AsidesOf({
  asides: { carded, setCarded, reported, setReported },
  channel,
  mayReport,
  isElsewhere,
  onModerate,
}: {
  asides: Asides;
  /** Whose chat it is. */
  channel: string;
  mayReport: boolean;
  /** Links open beside this window, which is for the chat only. */
  isElsewhere?: boolean | undefined;
  /** What else may be done to who said a line, if anything. */
  onModerate?: (pressed: Pressed) => (() => void) | undefined;
}) {
  const { t } = useTranslation();
  const me = useSession((session) => session.user);
  const moderate = carded && onModerate?.(carded);
  return (
    <>
      {carded && (
        <Suspense>
          <UserCard
            key={carded.message.id}
            user={carded.message.user}
            anchor={carded.anchor}
            isElsewhere={isElsewhere}
            onModerate={
              moderate
                ? () => {
                    moderate();
                    setCarded(null);
                  }
                : undefined
            }
            onReport={
              mayReport && carded.message.user.id !== me?.id
                ? () => {
                    setReported({ message: carded.message, isMember: true });
                    setCarded(null);
                  }
                : undefined
            }
            onClose={() => setCarded(null)}
          />
        </Suspense>
      )}
      {reported && (
        <Suspense>
          <ReportDialog
            {...aboutOf(t, reported.message, channel, reported.isMember)}
            onClose={() => setReported(null)}
          />
        </Suspense>
      )}
    </>
  );
}
