import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { type AdminMember, resetTwoFactor } from "./queries";

const REASON_CHARS_MAX = 500;

/** Lets whoever lost app and recovery codes in with the password alone. */
export function ResetTwoFactor({ user, onClose }: { user: AdminMember["user"]; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const reset = useMutation({
    mutationFn: (why: string) => resetTwoFactor(user.username, why),
    onSuccess: () => {
      toast({ kind: "good", title: t("admin.members.did_reset", { name: user.display_name }) });
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["admin", "members"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const why = reason.trim();
    if (why && !reset.isPending) reset.mutate(why);
  };
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("admin.members.reset_named", { name: user.display_name })}
      description={t("admin.members.reset_text")}
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("mod.reason")}
          hint={t("admin.members.reset_hint")}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          maxLength={REASON_CHARS_MAX}
          required
          autoComplete="off"
          error={reset.isError ? errorText(t, reset.error) : null}
          data-testid="reset-reason"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look="danger"
            disabled={!reason.trim()}
            isBusy={reset.isPending}
            data-testid="reset-confirm"
          >
            {t("admin.members.reset")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
