import { Flag } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useSession } from "@/api/session";
import { Button } from "@/ui/button";
import type { Choice } from "./ReportDialog";

const ReportDialog = lazy(() =>
  import("./ReportDialog").then(({ ReportDialog }) => ({ default: ReportDialog })),
);

/** Beside what others made; not for who made it, nor for who is not signed in. */
export function ReportButton({
  choices,
  owner,
  title,
}: {
  choices: readonly Choice[];
  owner: string;
  title: string;
}) {
  const me = useSession((session) => session.user);
  const [isOpen, setOpen] = useState(false);
  if (!me || me.username === owner) return null;
  return (
    <>
      <Button
        look="ghost"
        size="icon"
        onClick={() => setOpen(true)}
        aria-label={title}
        title={title}
        data-testid="report"
      >
        <Flag />
      </Button>
      {isOpen && (
        <Suspense>
          <ReportDialog choices={choices} title={title} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
