import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Mail, MailX } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { notificationSettings } from "@/api/queries";
import { LANGUAGES, type Language } from "@/i18n";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { Button } from "@/ui/button";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";

/** Mail: asked for here, confirmed at the address itself. */
export function MailSettings() {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const settings = useQuery(notificationSettings());
  const key = notificationSettings().queryKey;
  const told = {
    onError: (error: unknown) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => void client.invalidateQueries({ queryKey: key }),
  };
  const speak = (mail_language: Language) =>
    unwrap(api.PATCH("/api/v1/me/notification-settings", { body: { mail_language } }));
  const ask = useMutation({
    mutationFn: async () => {
      await speak(lang);
      return unwrap(api.POST("/api/v1/me/mail"));
    },
    ...told,
  });
  const stop = useMutation({ mutationFn: () => unwrap(api.DELETE("/api/v1/me/mail")), ...told });
  const change = useMutation({ mutationFn: speak, ...told });
  const mail = settings.data?.mail;
  if (!mail?.is_offered) return null;
  const { address, is_confirmed: isOn } = mail;
  return (
    <div className="flex flex-col gap-4" data-testid="mail" data-state={isOn ? "on" : "off"}>
      <div>
        <h3 className="font-semibold text-[15px]">{t("mail.title")}</h3>
        <p className="break-words text-[15px] text-soft" role="status">
          {ask.isSuccess && !isOn
            ? t("mail.asked", { address })
            : t(isOn ? "mail.state.on" : "mail.state.off", { address })}
        </p>
      </div>
      {isOn && (
        <Segmented
          label={t("mail.language")}
          value={mail.language === "vi" ? "vi" : "en"}
          options={LANGUAGES.map((value) => ({ value, label: t(`language.${value}`) }))}
          onChange={(value) => change.mutate(value)}
        />
      )}
      <div>
        {isOn ? (
          <Button isBusy={stop.isPending} onClick={() => stop.mutate()}>
            <MailX />
            {t("mail.off")}
          </Button>
        ) : (
          <Button
            look={ask.isSuccess ? "soft" : "solid"}
            isBusy={ask.isPending}
            onClick={() => ask.mutate()}
            data-testid="ask-mail"
          >
            <Mail />
            {t(ask.isSuccess ? "mail.again" : "mail.on")}
          </Button>
        )}
      </div>
    </div>
  );
}
