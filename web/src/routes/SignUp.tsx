import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, Navigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { session, useSession } from "@/api/session";
import { PASSWORD_MIN } from "@/features/account/newPassword";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { AuthFrame } from "./AuthFrame";

const route = getRouteApi("/shell/signup");
const NAME = /^[A-Za-z0-9_]{3,30}$/;

export function SignUp() {
  const { t } = useTranslation();
  const { next } = route.useSearch();
  const client = useQueryClient();
  const isSignedIn = useSession((state) => state.status === "signed-in");
  const [form, setForm] = useState({ username: "", email: "", password: "" });
  const [isChecked, setChecked] = useState(false);
  const join = useMutation({
    mutationFn: () =>
      unwrap(api.POST("/api/v1/auth/register", { body: { ...form, email: form.email.trim() } })),
    onSuccess: (answer) => {
      session.signedIn(answer.user, answer.access_token, answer.expires_in);
      void client.invalidateQueries();
    },
  });
  if (isSignedIn) return <Navigate to={next ?? "/"} replace />;

  const own = {
    username: NAME.test(form.username) ? null : t("auth.username_rule"),
    email: /^\S+@\S+\.\S+$/.test(form.email.trim()) ? null : t("auth.email_rule"),
    password: form.password.length >= PASSWORD_MIN ? null : t("auth.password_rule", { count: PASSWORD_MIN }),
  };
  const error = join.error ? ApiError.of(join.error) : null;
  const told = (field: keyof typeof own) => {
    if (isChecked && own[field]) return own[field];
    const found = error?.fields.find((one) => one.field === field);
    // A taken name is the usual case and has words of its own; other rules are told as the server tells them.
    if (found && error?.code === "account.taken") return t("auth.username_taken");
    return found?.message ?? null;
  };
  const isTold = told("username") || told("email") || told("password");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setChecked(true);
    if (!own.username && !own.email && !own.password) join.mutate();
  };
  const set = (field: keyof typeof own) => (event: { target: { value: string } }) =>
    setForm((old) => ({ ...old, [field]: event.target.value }));
  return (
    <AuthFrame title={t("auth.signup_title")} lead={t("auth.lead")}>
      <form onSubmit={submit} noValidate className="flex flex-col gap-5">
        <TextField
          label={t("auth.username")}
          hint={t("auth.username_hint")}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={form.username}
          onChange={set("username")}
          error={told("username")}
          data-testid="username"
        />
        <TextField
          label={t("auth.email")}
          name="email"
          type="email"
          autoComplete="email"
          required
          value={form.email}
          onChange={set("email")}
          error={told("email")}
          data-testid="email"
        />
        <TextField
          label={t("auth.password")}
          hint={t("auth.password_rule", { count: PASSWORD_MIN })}
          name="password"
          type="password"
          autoComplete="new-password"
          required
          value={form.password}
          onChange={set("password")}
          error={told("password")}
          data-testid="password"
        />
        {error && !isTold && (
          <p
            role="alert"
            className="rounded-md bg-danger-wash px-4 py-3 text-danger"
            data-testid="auth-error"
          >
            {errorText(t, error)}
          </p>
        )}
        <Button type="submit" look="solid" size="l" isBusy={join.isPending} data-testid="submit">
          {t("auth.signup")}
        </Button>
      </form>
      <p className="mt-6 text-soft">
        {t("auth.have_account")}{" "}
        <Link to="/signin" search={{ next }} className="font-semibold text-melt underline underline-offset-4">
          {t("auth.signin")}
        </Link>
      </p>
    </AuthFrame>
  );
}
