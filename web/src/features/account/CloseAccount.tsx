import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { errorText } from "@/i18n/errorText";
import { useForget } from "@/shell/useSignOut";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { toast } from "@/ui/toast";

/** Closes the account of whoever is signed in. They may open it again whenever they like. */
export function CloseAccount() {
  const { t } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  return (
    <div className="flex flex-col items-start gap-2 border-line border-t pt-5">
      <p className="text-soft text-sm">{t("settings.close.lead")}</p>
      <Button look="danger" onClick={() => setAsking(true)} data-testid="close-account">
        {t("settings.close.act")}
      </Button>
      {isAsking && <Ask onClose={() => setAsking(false)} />}
    </div>
  );
}

function Ask({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const forget = useForget();
  const [password, setPassword] = useState("");
  const close = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/me/close", { body: { password } })),
    onSuccess: async () => {
      await forget();
      toast({ kind: "good", title: t("settings.close.done") });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (password && !close.isPending) close.mutate();
  };
  return (
    <Dialog isOpen onClose={onClose} title={t("settings.close.title")} description={t("settings.close.text")}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <TextField
          label={t("auth.password")}
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          error={close.isError ? errorText(t, close.error) : null}
          data-testid="close-password"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" onClick={onClose}>
            {t("actions.cancel")}
          </Button>
          <Button
            type="submit"
            look="danger"
            disabled={!password}
            isBusy={close.isPending}
            data-testid="close-confirm"
          >
            {t("settings.close.act")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
