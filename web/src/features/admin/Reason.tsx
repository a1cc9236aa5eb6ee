import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { toast } from "@/ui/toast";

const REASON_CHARS_MAX = 500;

/** Asks for the reason of an act, and does it. */
export function Reason({
  title,
  text,
  hint,
  confirm,
  done,
  act,
  onSettled,
  onClose,
  children,
}: {
  title: string;
  text: string;
  hint: string;
  confirm: string;
  /** Said when it is done. */
  done: string;
  act: (reason: string) => Promise<unknown>;
  onSettled: () => unknown;
  onClose: () => void;
  /** What else is asked. */
  children?: ReactNode;
}) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  const save = useMutation({
    mutationFn: act,
    onSuccess: () => {
      toast({ kind: "good", title: done });
      onClose();
    },
    onSettled,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const why = reason.trim();
    if (why && !save.isPending) save.mutate(why);
  };
  return (
    <Dialog isOpen onClose={onClose} title={title} description={text}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("mod.reason")}
          hint={hint}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          maxLength={REASON_CHARS_MAX}
          required
          autoComplete="off"
          error={save.isError ? errorText(t, save.error) : null}
          data-testid="reason"
        />
        {children}
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look="danger"
            disabled={!reason.trim()}
            isBusy={save.isPending}
            data-testid="reason-confirm"
          >
            {confirm}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
