import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { notificationSettings } from "@/api/queries";
import type { NotificationSettings, UpdateNotificationSettings } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { Segmented } from "@/ui/segmented";
import { toast } from "@/ui/toast";
import { browserZone, clockHour, DAYS, dayName, HOURS, NIGHT, zones } from "./times";

/** When browsers and mail are left alone, and when collected mail comes. Each change is stored at once. */
export function TimeSettings() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const settings = useQuery(notificationSettings());
  const key = notificationSettings().queryKey;
  const change = useMutation({
    mutationFn: (body: UpdateNotificationSettings) =>
      unwrap(api.PATCH("/api/v1/me/notification-settings", { body })),
    onSuccess: (fresh) => client.setQueryData(key, fresh),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
  // The choices above say what is wrong, and load it again.
  if (!settings.data) return null;
  const { mail } = settings.data;
  return (
    <div className="flex flex-col gap-6">
      <Quiet settings={settings.data} isBusy={change.isPending} onChange={change.mutate} />
      {mail.is_offered && mail.is_confirmed && (
        <Digest settings={settings.data} isBusy={change.isPending} onChange={change.mutate} />
      )}
    </div>
  );
}

type Part = {
  settings: NotificationSettings;
  isBusy: boolean;
  onChange: (body: UpdateNotificationSettings) => void;
};

function Quiet({ settings, isBusy, onChange }: Part) {
  const { t } = useTranslation();
  const { quiet_hours: quiet, time_zone: zone } = settings;
  return (
    <div className="flex flex-col gap-4" data-testid="quiet" data-state={quiet ? "on" : "off"}>
      <div>
        <h3 className="font-semibold text-[15px]">{t("quiet.title")}</h3>
        <p className="text-[15px] text-soft">{t("quiet.text")}</p>
      </div>
      {quiet ? (
        <>
          <Span
            key={`${quiet.from} ${quiet.to}`}
            quiet={quiet}
            isBusy={isBusy}
            onSave={(span) => onChange({ quiet_hours: span })}
          />
          <Zone zone={zone} onChange={(time_zone) => onChange({ time_zone })} />
          <div>
            <Button isBusy={isBusy} onClick={() => onChange({ quiet_hours: null })} data-testid="quiet-off">
              {t("quiet.off")}
            </Button>
          </div>
        </>
      ) : (
        <div>
          <Button
            isBusy={isBusy}
            onClick={() => onChange({ quiet_hours: NIGHT, time_zone: chosenZone(zone) })}
            data-testid="quiet-on"
          >
            {t("quiet.on")}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Whoever never chose a zone lives where their browser does. */
const chosenZone = (zone: string): string => (zone === "UTC" ? browserZone() : zone);

function Span({
  quiet,
  isBusy,
  onSave,
}: {
  quiet: { from: string; to: string };
  isBusy: boolean;
  onSave: (span: { from: string; to: string }) => void;
}) {
  const { t } = useTranslation();
  const [from, setFrom] = useState(quiet.from);
  const [to, setTo] = useState(quiet.to);
  const isSame = from === to;
  const isChanged = from !== quiet.from || to !== quiet.to;
  return (
    <form
      className="flex flex-wrap items-end gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isSame) onSave({ from, to });
      }}
    >
      <TextField
        type="time"
        required
        label={t("quiet.from")}
        value={from}
        onChange={(event) => setFrom(event.target.value)}
        data-testid="quiet-from"
      />
      <TextField
        type="time"
        required
        label={t("quiet.to")}
        value={to}
        error={isSame ? t("quiet.same") : undefined}
        onChange={(event) => setTo(event.target.value)}
        data-testid="quiet-to"
      />
      {isChanged && (
        <Button type="submit" look="solid" isBusy={isBusy} disabled={isSame} data-testid="quiet-save">
          {t("actions.save")}
        </Button>
      )}
    </form>
  );
}

function Zone({ zone, onChange }: { zone: string; onChange: (zone: string) => void }) {
  const { t } = useTranslation();
  return (
    <SelectField
      label={t("quiet.zone")}
      className="max-w-[320px]"
      value={zone}
      onChange={(event) => onChange(event.target.value)}
      data-testid="time-zone"
    >
      {zones(zone).map((name) => (
        <option key={name} value={name}>
          {name.replaceAll("_", " ")}
        </option>
      ))}
    </SelectField>
  );
}

function Digest({ settings, onChange }: Part) {
  const { t } = useTranslation();
  const lang = useLang();
  const { digest } = settings.mail;
  const set = (part: Partial<typeof digest>) =>
    onChange({ mail_digest: { ...digest, ...part }, time_zone: chosenZone(settings.time_zone) });
  return (
    <div className="flex flex-col gap-4" data-testid="digest" data-state={digest.every}>
      <div>
        <h3 className="font-semibold text-[15px]">{t("digest.title")}</h3>
        <p className="text-[15px] text-soft">{t("digest.text")}</p>
      </div>
      <Segmented
        label={t("digest.every")}
        value={digest.every}
        options={(["off", "daily", "weekly"] as const).map((value) => ({
          value,
          label: t(`digest.${value}`),
        }))}
        onChange={(every) => set({ every })}
      />
      {digest.every !== "off" && (
        <div className="flex flex-wrap gap-4">
          {digest.every === "weekly" && (
            <SelectField
              label={t("digest.day")}
              value={digest.day}
              onChange={(event) => set({ day: Number(event.target.value) })}
              data-testid="digest-day"
            >
              {DAYS.map((day) => (
                <option key={day} value={day}>
                  {dayName(day, lang)}
                </option>
              ))}
            </SelectField>
          )}
          <SelectField
            label={t("digest.hour")}
            hint={settings.quiet_hours ? undefined : settings.time_zone.replaceAll("_", " ")}
            value={digest.hour}
            onChange={(event) => set({ hour: Number(event.target.value) })}
            data-testid="digest-hour"
          >
            {HOURS.map((hour) => (
              <option key={hour} value={hour}>
                {clockHour(hour, lang)}
              </option>
            ))}
          </SelectField>
        </div>
      )}
    </div>
  );
}
