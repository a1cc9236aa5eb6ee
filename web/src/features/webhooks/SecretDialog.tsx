import { useId } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { timeOfDay } from "@/lib/time";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy";
import { Dialog } from "@/ui/dialog";
import { inputClass } from "@/ui/field";

export type ShownSecret = { secret: string; oldUntil: string | null };

/** A key, this once. */
export function SecretDialog({ shown, onClose }: { shown: ShownSecret | null; onClose: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const id = useId();
  return (
    <Dialog
      isOpen={shown !== null}
      onClose={onClose}
      title={t("webhooks.secret")}
      description={t("webhooks.secret_text")}
    >
      {shown && (
        <>
          <div className="flex flex-col gap-1.5">
            <label htmlFor={id} className="font-semibold text-sm">
              {t("webhooks.secret_label")}
            </label>
            <div className="flex gap-2">
              <input
                id={id}
                readOnly
                value={shown.secret}
                onFocus={(event) => event.target.select()}
                className={`${inputClass} min-w-0 font-mono text-sm`}
                data-testid="webhook-secret"
              />
              <CopyButton
                text={shown.secret}
                label={t("webhooks.copy_secret")}
                testId="copy-webhook-secret"
                isIconOnly
              />
            </div>
          </div>
          {shown.oldUntil && (
            <p className="text-soft text-sm">
              {t("webhooks.old_until", { time: timeOfDay(shown.oldUntil, lang) })}
            </p>
          )}
          <div className="flex justify-end">
            <Button look="solid" onClick={onClose} data-testid="secret-kept">
              {t("webhooks.secret_kept")}
            </Button>
          </div>
        </>
      )}
    </Dialog>
  );
}
