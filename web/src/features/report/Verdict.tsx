import { Check, X } from "lucide-react";
import { Button } from "@/ui/button";

type Answer = {
  label: string;
  /** The same with the name of whom it is about. */
  named: string;
  testId: string;
  onClick: () => void;
};

/** The two answers a case can get. */
export function Verdict({ yes, no, isBusy }: { yes: Answer; no: Answer; isBusy: boolean }) {
  return (
    <>
      <Button
        size="s"
        look="solid"
        disabled={isBusy}
        onClick={yes.onClick}
        aria-label={yes.named}
        data-testid={yes.testId}
      >
        <Check />
        {yes.label}
      </Button>
      <Button size="s" disabled={isBusy} onClick={no.onClick} aria-label={no.named} data-testid={no.testId}>
        <X />
        {no.label}
      </Button>
    </>
  );
}
