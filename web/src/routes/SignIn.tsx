import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, Navigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { session, useSession } from "@/api/session";
import { authOptions } from "@/features/account/newPassword";
import { SecondStep } from "@/features/account/SecondStep";
import { asksMore, type Entered } from "@/features/account/twoFactor";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { AuthFrame } from "./AuthFrame";

const route = getRouteApi("/shell/signin");

export function SignIn() {
  const { t } = useTranslation();
  const { next } = route.useSearch();
  const client = useQueryClient();
  const isSignedIn = useSession((state) => state.status === "signed-in");
  const options = useQuery(authOptions());
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  // What the second step is asked with, once the password was right.
  const [token, setToken] = useState<string | null>(null);
  const [isOver, setOver] = useState(false);
  const entered = (answer: Entered) => {
    session.signedIn(answer.user, answer.access_token, answer.expires_in);
    void client.invalidateQueries();
  };
  const enter = useMutation({
    mutationFn: (reopen: boolean) =>
      unwrap(api.POST("/api/v1/auth/login", { body: { login: login.trim(), password, reopen } })),
    onSuccess: (answer) => {
      setOver(false);
      if (asksMore(answer)) setToken(answer.second_step_token);
      else entered(answer);
    },
  });
  const back = (isLate: boolean) => {
    setToken(null);
    setPassword("");
    setOver(isLate);
    enter.reset();
  };
  if (isSignedIn) return <Navigate to={next ?? "/"} replace />;
  const error = enter.error ? ApiError.of(enter.error) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate(false);
  };
  if (token)
    return (
      <AuthFrame title={t("two_factor.step")} lead={t("auth.lead")}>
        <SecondStep token={token} onEntered={entered} onOver={() => back(true)} onBack={() => back(false)} />
      </AuthFrame>
    );
  return (
    <AuthFrame title={t("auth.signin_title")} lead={t("auth.lead")}>
      <form onSubmit={submit} className="flex flex-col gap-5">
        <TextField
          label={t("auth.login")}
          name="login"
          autoComplete="username"
          autoCapitalize="none"
          required
          value={login}
          onChange={(event) => setLogin(event.target.value)}
          data-testid="login"
        />
        <TextField
          label={t("auth.password")}
          name="password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          data-testid="password"
        />
        {isOver && !error && (
          <p role="alert" className="rounded-md bg-raised px-4 py-3" data-testid="second-step-over">
            {t("two_factor.over")}
          </p>
        )}
        {error?.code === "account.closed" && (
          <div role="alert" className="flex flex-col items-start gap-3 rounded-md bg-raised px-4 py-3">
            <p>{t("auth.closed")}</p>
            <Button onClick={() => enter.mutate(true)} isBusy={enter.isPending} data-testid="reopen">
              {t("auth.reopen")}
            </Button>
          </div>
        )}
        {error && error.code !== "account.closed" && (
          <p
            role="alert"
            className="rounded-md bg-danger-wash px-4 py-3 text-danger"
            data-testid="auth-error"
          >
            {error.status === 401 ? t("auth.wrong") : errorText(t, error)}
          </p>
        )}
        <Button
          type="submit"
          look="solid"
          size="l"
          isBusy={enter.isPending && !enter.variables}
          data-testid="submit"
        >
          {t("auth.signin")}
        </Button>
      </form>
      {options.data?.is_reset_offered && (
        <p className="mt-6">
          <Link to="/forgot" className="text-soft underline underline-offset-4" data-testid="forgot">
            {t("auth.forgot")}
          </Link>
        </p>
      )}
      <p className="mt-6 text-soft">
        {t("auth.no_account")}{" "}
        <Link to="/signup" search={{ next }} className="font-semibold text-melt underline underline-offset-4">
          {t("auth.signup")}
        </Link>
      </p>
    </AuthFrame>
  );
}
