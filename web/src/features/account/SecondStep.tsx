import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { CodeField } from "./CodeField";
import type { Entered } from "./twoFactor";

/** The second step of a sign-in. `onOver`: too late, or something has changed; the password is asked again. */
export function SecondStep({
  token,
  onEntered,
  onOver,
  onBack,
}: {
  token: string;
  onEntered: (entered: Entered) => void;
  onOver: () => void;
  onBack: () => void;
}) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  const enter = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/auth/login/second-step", { body: { token, code } })),
    networkMode: "always",
    onSuccess: onEntered,
    onError: (error) => {
      if (ApiError.of(error).code === "auth.second-step-over") onOver();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (code.trim() && !enter.isPending) enter.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5" data-testid="second-step">
      <p className="text-soft">{t("two_factor.ask")}</p>
      <CodeField
        autoFocus
        value={code}
        onChange={(event) => setCode(event.target.value)}
        error={enter.isError ? errorText(t, enter.error) : null}
        data-testid="second-step-code"
      />
      <Button
        type="submit"
        look="solid"
        size="l"
        isBusy={enter.isPending}
        disabled={!code.trim()}
        data-testid="second-step-submit"
      >
        {t("auth.signin")}
      </Button>
      <div>
        <Button look="ghost" onClick={onBack} data-testid="second-step-back">
          {t("two_factor.back")}
        </Button>
      </div>
    </form>
  );
}
