import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { notificationSettings } from "@/api/queries";
import type { NotificationSettings } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { toast } from "@/ui/toast";

const KNOWN = [
  "stream_online",
  "vod_ready",
  "new_follower",
  "friend_request",
  "friend_accepted",
  "recording_stopped",
] as const;
type Known = (typeof KNOWN)[number];

/** Which kinds of notification to hear of. Each change is stored at once. */
export function NotificationChoices() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const settings = useQuery(notificationSettings());
  const key = notificationSettings().queryKey;
  const change = useMutation({
    mutationFn: (choice: { type: string; in_app: boolean }) =>
      unwrap(api.PATCH("/api/v1/me/notification-settings", { body: { types: [choice] } })),
    onMutate: async (choice) => {
      await client.cancelQueries({ queryKey: key });
      client.setQueryData(key, (old) => withChoice(old, choice));
    },
    onError: (error, choice) => {
      client.setQueryData(key, (old) => withChoice(old, { ...choice, in_app: !choice.in_app }));
      toast({ kind: "error", title: errorText(t, error) });
    },
  });
  if (settings.isPending) return <Skeleton className="h-40" />;
  if (!settings.data) return <ErrorState error={settings.error} onRetry={() => void settings.refetch()} />;
  return (
    <div className="flex flex-col gap-4">
      <p className="text-[15px] text-soft">{t("notice_settings.lead")}</p>
      <ul className="flex flex-col divide-y divide-line">
        {settings.data.types.map((choice) =>
          isKnown(choice.type) ? (
            <Choice
              key={choice.type}
              type={choice.type}
              isOn={choice.in_app}
              isFixed={choice.is_fixed}
              onChange={(isOn) => change.mutate({ type: choice.type, in_app: isOn })}
            />
          ) : null,
        )}
      </ul>
      <p className="text-faint text-sm">{t("notice_settings.per_channel")}</p>
    </div>
  );
}

function Choice({
  type,
  isOn,
  isFixed,
  onChange,
}: {
  type: Known;
  isOn: boolean;
  isFixed: boolean;
  onChange: (isOn: boolean) => void;
}) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <li className="flex items-center gap-4 py-3">
      <label htmlFor={id} className="min-w-0 flex-1 cursor-pointer">
        <span className="block font-semibold text-[15px]">{t(`notice_settings.${type}`)}</span>
        <span className="block text-faint text-sm">
          {isFixed ? t("notice_settings.fixed") : t(`notice_settings.${type}_text`)}
        </span>
      </label>
      <input
        id={id}
        type="checkbox"
        role="switch"
        checked={isOn}
        aria-checked={isOn}
        disabled={isFixed}
        data-testid={`choice-${type}`}
        onChange={(event) => onChange(event.target.checked)}
        className="relative h-6 w-11 shrink-0 cursor-pointer appearance-none rounded-full border border-line bg-sunken transition-colors before:absolute before:top-[2px] before:left-[2px] before:size-[18px] before:rounded-full before:bg-soft before:transition-transform checked:border-melt checked:bg-melt checked:before:translate-x-5 checked:before:bg-on-melt disabled:cursor-default disabled:opacity-60"
      />
    </li>
  );
}

function isKnown(type: string): type is Known {
  return (KNOWN as readonly string[]).includes(type);
}

function withChoice(
  old: NotificationSettings | undefined,
  { type, in_app }: { type: string; in_app: boolean },
): NotificationSettings | undefined {
  return old && { types: old.types.map((one) => (one.type === type ? { ...one, in_app } : one)) };
}
