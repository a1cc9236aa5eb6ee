import { type ComponentProps, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { TextField } from "@/ui/field";

/** A code of the app, or a recovery code. Phones show digits for the one and letters for the other; either is taken. */
export function CodeField({
  error,
  takesRecovery = true,
  ...rest
}: Omit<ComponentProps<typeof TextField>, "label" | "ref"> & { takesRecovery?: boolean }) {
  const { t } = useTranslation();
  const [isRecovery, setRecovery] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Whoever mistyped types again.
    if (error) input.current?.select();
  }, [error]);
  return (
    <div className="flex flex-col items-start gap-2">
      <div className="w-full">
        <TextField
          {...rest}
          ref={input}
          label={isRecovery ? t("two_factor.recovery_code") : t("two_factor.code")}
          hint={isRecovery ? t("two_factor.recovery_hint") : t("two_factor.code_hint")}
          error={error}
          name="code"
          inputMode={isRecovery ? "text" : "numeric"}
          autoComplete={isRecovery ? "off" : "one-time-code"}
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          maxLength={64}
          required
          className="font-mono tracking-wider"
        />
      </div>
      {takesRecovery && (
        <button
          type="button"
          className="rounded-sm text-melt text-sm underline underline-offset-4"
          onClick={() => {
            setRecovery(!isRecovery);
            input.current?.focus();
          }}
          data-testid="code-kind"
        >
          {isRecovery ? t("two_factor.use_app") : t("two_factor.use_recovery")}
        </button>
      )}
    </div>
  );
}
