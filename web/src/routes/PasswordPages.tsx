// For whoever has forgotten their password: asking for a mail, and where its link leads.
import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { authOptions, PASSWORD_MIN, passwordFault, refusal } from "@/features/account/newPassword";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { TextField } from "@/ui/field";
import { PasswordField } from "@/ui/password";
import { AuthFrame } from "./AuthFrame";

const reset = getRouteApi("/shell/reset");
const ADDRESS = /^\S+@\S+\.\S+$/;

export function ForgotPassword() {
  const { t } = useTranslation();
  const options = useQuery(authOptions());
  return (
    <AuthFrame title={t("password.forgot_title")} lead={t("auth.lead")}>
      {options.isPending ? (
        <Skeleton className="h-40" />
      ) : !options.data ? (
        <ErrorState error={options.error} onRetry={() => void options.refetch()} />
      ) : options.data.is_reset_offered ? (
        <AskForMail />
      ) : (
        <p className="text-soft" data-testid="no-reset">
          {t("password.no_mail")}
        </p>
      )}
      <p className="mt-6 text-soft">
        <Link to="/signin" className="font-semibold text-melt underline underline-offset-4">
          {t("password.to_signin")}
        </Link>
      </p>
    </AuthFrame>
  );
}

function AskForMail() {
  const { t } = useTranslation();
  const [email, setEmail] = useState("");
  const [isChecked, setChecked] = useState(false);
  const ask = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/auth/forgot", { body: { email: email.trim() } })),
    networkMode: "always",
  });
  const isAddress = ADDRESS.test(email.trim());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setChecked(true);
    if (isAddress && !ask.isPending) ask.mutate();
  };
  return (
    <>
      <div role="status">
        {ask.isSuccess && (
          <p className="break-words text-lg" data-testid="forgot-done">
            {t("password.mail_sent", { address: email.trim() })}
          </p>
        )}
      </div>
      {!ask.isSuccess && (
        <form onSubmit={submit} noValidate className="flex flex-col gap-5">
          <p className="text-soft">{t("password.forgot_text")}</p>
          <TextField
            label={t("auth.email")}
            name="email"
            type="email"
            autoComplete="email"
            required
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            error={isChecked && !isAddress ? t("auth.email_rule") : null}
            data-testid="email"
          />
          {ask.isError && (
            <p role="alert" className="rounded-md bg-danger-wash px-4 py-3 text-danger">
              {errorText(t, ask.error)}
            </p>
          )}
          <Button type="submit" look="solid" size="l" isBusy={ask.isPending} data-testid="submit">
            {t("password.send_mail")}
          </Button>
        </form>
      )}
    </>
  );
}

export function ResetPassword() {
  const { t } = useTranslation();
  const { token = "" } = reset.useSearch();
  const [password, setPassword] = useState("");
  const [isChecked, setChecked] = useState(false);
  const choose = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/auth/reset", { body: { token, new_password: password } })),
    networkMode: "always",
  });
  const told = refusal(t, choose.error);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setChecked(true);
    if (!passwordFault(t, password) && !choose.isPending) choose.mutate();
  };
  return (
    <AuthFrame title={t("password.reset_title")} lead={t("auth.lead")}>
      <div role="status">
        {choose.isSuccess && (
          <p className="mb-5 text-lg" data-testid="reset-done">
            {t("password.reset_done")}
          </p>
        )}
      </div>
      {choose.isSuccess ? (
        <div>
          <Link to="/signin" className={buttonClass("solid", "l")}>
            {t("auth.signin")}
          </Link>
        </div>
      ) : (
        <form onSubmit={submit} noValidate className="flex flex-col gap-5">
          <p className="text-soft">{t("password.reset_text")}</p>
          <PasswordField
            label={t("password.next")}
            hint={t("auth.password_rule", { count: PASSWORD_MIN })}
            name="new-password"
            autoComplete="new-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            error={(isChecked ? passwordFault(t, password) : null) ?? told.field}
            data-testid="new-password"
          />
          {told.other && (
            <div
              role="alert"
              className="rounded-md bg-danger-wash px-4 py-3 text-danger"
              data-testid="auth-error"
            >
              <p>{told.other}</p>
              <Link to="/forgot" className="font-semibold underline underline-offset-4">
                {t("password.ask_again")}
              </Link>
            </div>
          )}
          <Button type="submit" look="solid" size="l" isBusy={choose.isPending} data-testid="submit">
            {t("password.choose")}
          </Button>
        </form>
      )}
    </AuthFrame>
  );
}
