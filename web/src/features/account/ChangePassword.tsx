import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { PasswordField } from "@/ui/password";
import { toast } from "@/ui/toast";
import { devices } from "./devices";
import { PASSWORD_MIN, passwordFault, refusal } from "./newPassword";

/** Another password. It ends all sign-ins but this one. */
export function ChangePassword({ username }: { username: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [isChecked, setChecked] = useState(false);
  const change = useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/v1/me/password", { body: { current_password: current, new_password: next } })),
    networkMode: "always",
    onSuccess: () => {
      setCurrent("");
      setNext("");
      setChecked(false);
      toast({ kind: "good", title: t("password.changed") });
      void client.invalidateQueries({ queryKey: devices().queryKey });
    },
  });
  const isWrong = change.error !== null && ApiError.of(change.error).code === "account.wrong-password";
  const told = refusal(t, change.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setChecked(true);
    if (current && !passwordFault(t, next) && !change.isPending) change.mutate();
  };
  return (
    <form onSubmit={submit} noValidate className="flex flex-col gap-5" data-testid="change-password">
      <p className="text-soft">{t("password.lead")}</p>
      {/* Password managers learn from it whose password this is. */}
      <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
      <PasswordField
        label={t("password.current")}
        name="current-password"
        autoComplete="current-password"
        required
        value={current}
        onChange={(event) => setCurrent(event.target.value)}
        error={
          isWrong ? errorText(t, change.error) : isChecked && !current ? t("password.current_missing") : null
        }
        data-testid="current-password"
      />
      <PasswordField
        label={t("password.next")}
        hint={t("auth.password_rule", { count: PASSWORD_MIN })}
        name="new-password"
        autoComplete="new-password"
        required
        value={next}
        onChange={(event) => setNext(event.target.value)}
        error={(isChecked ? passwordFault(t, next) : null) ?? told.field}
        data-testid="new-password"
      />
      {told.other && !isWrong && (
        <p role="alert" className="text-danger text-sm">
          {told.other}
        </p>
      )}
      <div>
        <Button type="submit" look="solid" isBusy={change.isPending} data-testid="change-password-submit">
          {t("password.change")}
        </Button>
      </div>
    </form>
  );
}
