import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { notificationSettings } from "@/api/queries";
import type { NotificationSettings } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { toast } from "@/ui/toast";
import { isKnownKind, type KnownKind, type Way, withChoice } from "./choices";

type Choice = NotificationSettings["types"][number];

/** Which kinds of notification to hear of, and where. Each change is stored at once. */
export function NotificationChoices() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const settings = useQuery(notificationSettings());
  const key = notificationSettings().queryKey;
  const change = useMutation({
    mutationFn: ({ type, way, isOn }: { type: string; way: Way; isOn: boolean }) =>
      unwrap(api.PATCH("/api/v1/me/notification-settings", { body: { types: [{ type, [way]: isOn }] } })),
    onMutate: async ({ type, way, isOn }) => {
      await client.cancelQueries({ queryKey: key });
      client.setQueryData(key, (old) => withChoice(old, type, way, isOn));
    },
    onError: (error, { type, way, isOn }) => {
      client.setQueryData(key, (old) => withChoice(old, type, way, !isOn));
      toast({ kind: "error", title: errorText(t, error) });
    },
  });
  if (settings.isPending) return <Skeleton className="h-40" />;
  if (!settings.data) return <ErrorState error={settings.error} onRetry={() => void settings.refetch()} />;
  const { types, mail } = settings.data;
  const ways: { way: Way; title: string; isUsable: boolean }[] = [
    { way: "in_app", title: t("notice_settings.in_list"), isUsable: true },
    { way: "push", title: t("notice_settings.in_browser"), isUsable: true },
    ...(mail.is_offered
      ? [{ way: "mail" as const, title: t("notice_settings.by_mail"), isUsable: mail.is_confirmed }]
      : []),
  ];
  return (
    <div className="flex flex-col gap-4">
      <p className="text-[15px] text-soft">{t("notice_settings.lead")}</p>
      <table className="w-full text-left">
        <thead>
          <tr className="border-line border-b text-faint text-sm">
            <th scope="col" className="pb-2 align-bottom font-semibold">
              {t("notice_settings.kind")}
            </th>
            {ways.map(({ way, title }) => (
              <th
                key={way}
                scope="col"
                className="w-[54px] pb-2 align-bottom text-center font-semibold sm:w-[84px]"
              >
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {types.map((choice) =>
            isKnownKind(choice.type) ? (
              <tr key={choice.type}>
                <KindName type={choice.type} isFixed={choice.is_fixed} />
                {ways.map(({ way, title, isUsable }) => (
                  <td key={way} className="py-3 text-center">
                    <Switch
                      label={t("notice_settings.cell", {
                        kind: t(`notice_settings.${choice.type as KnownKind}`),
                        way: title,
                      })}
                      isOn={isOn(choice, way)}
                      isFixed={!isUsable || (way === "in_app" ? choice.is_fixed : !choice.in_app)}
                      testId={way === "in_app" ? `choice-${choice.type}` : `choice-${choice.type}-${way}`}
                      onChange={(on) => change.mutate({ type: choice.type, way, isOn: on })}
                    />
                  </td>
                ))}
              </tr>
            ) : null,
          )}
        </tbody>
      </table>
      <p className="text-faint text-sm">{t("notice_settings.per_channel")}</p>
    </div>
  );
}

/** What is not in the list reaches nobody. */
const isOn = (choice: Choice, way: Way) => choice.in_app && choice[way];

function KindName({ type, isFixed }: { type: KnownKind; isFixed: boolean }) {
  const { t } = useTranslation();
  return (
    <th scope="row" className="min-w-0 py-3 pr-3 font-normal">
      <span className="block font-semibold text-[15px]">{t(`notice_settings.${type}`)}</span>
      <span className="block text-faint text-sm">
        {isFixed ? t("notice_settings.fixed") : t(`notice_settings.${type}_text`)}
      </span>
    </th>
  );
}

function Switch({
  label,
  isOn,
  isFixed,
  testId,
  onChange,
}: {
  label: string;
  isOn: boolean;
  isFixed: boolean;
  testId: string;
  onChange: (isOn: boolean) => void;
}) {
  return (
    <input
      type="checkbox"
      role="switch"
      aria-label={label}
      checked={isOn}
      aria-checked={isOn}
      disabled={isFixed}
      data-testid={testId}
      onChange={(event) => onChange(event.target.checked)}
      className="relative inline-block h-6 w-11 shrink-0 cursor-pointer appearance-none rounded-full border border-line bg-sunken align-middle transition-colors before:absolute before:top-[2px] before:left-[2px] before:size-[18px] before:rounded-full before:bg-soft before:transition-transform checked:border-melt checked:bg-melt checked:before:translate-x-5 checked:before:bg-on-melt disabled:cursor-default disabled:opacity-60"
    />
  );
}
