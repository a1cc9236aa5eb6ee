import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BellOff, BellRing, MonitorSmartphone, Trash2 } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { pushSettings } from "@/api/queries";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { ago } from "@/lib/time";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";
import { pushState, turnOff, turnOn } from "./push";

const STATE_KEY = ["push", "state"];

/** Notifications of this browser while no page is open, and the list of all browsers that have them. */
export function PushDevices() {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const settings = useQuery(pushSettings());
  const state = useQuery({ queryKey: STATE_KEY, queryFn: pushState, staleTime: 0 });
  const settled = {
    onError: (error: unknown) =>
      // Browsers speak of a push service they cannot reach in words of their own.
      toast({ kind: "error", title: error instanceof DOMException ? t("push.failed") : errorText(t, error) }),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: STATE_KEY });
      void client.invalidateQueries({ queryKey: pushSettings().queryKey });
    },
  };
  const set = useMutation({
    mutationFn: (isOn: boolean) => (isOn ? turnOn(settings.data?.public_key ?? "") : turnOff()),
    ...settled,
  });
  const remove = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/v1/me/push/devices/{id}", { params: { path: { id } } })),
    ...settled,
  });
  if (settings.isPending || state.isPending) return <Skeleton className="h-24" />;
  if (!settings.data) return <ErrorState error={settings.error} onRetry={() => void settings.refetch()} />;
  const now = state.data ?? "unsupported";
  const isOn = now === "on";
  return (
    <div className="flex flex-col gap-4" data-testid="push" data-state={now}>
      <div>
        <h3 className="font-semibold text-[15px]">{t("push.title")}</h3>
        <p className="text-[15px] text-soft">{t(`push.state.${now}`)}</p>
      </div>
      {(isOn || now === "off") && (
        <div>
          <Button look={isOn ? "soft" : "solid"} isBusy={set.isPending} onClick={() => set.mutate(!isOn)}>
            {isOn ? <BellOff /> : <BellRing />}
            {isOn ? t("push.off") : t("push.on")}
          </Button>
        </div>
      )}
      {settings.data.devices.length > 0 && (
        <ul className="flex flex-col divide-y divide-line" aria-label={t("push.devices")}>
          {settings.data.devices.map((device) => (
            <li key={device.id} className="flex items-center gap-3 py-2.5">
              <MonitorSmartphone aria-hidden="true" className="size-5 shrink-0 text-soft" />
              <span className="min-w-0 flex-1">
                <span className="block truncate text-[15px]">{device.label}</span>
                <span className="block text-faint text-sm">{ago(device.created_at, lang)}</span>
              </span>
              <Button
                look="ghost"
                size="icon"
                aria-label={t("push.remove", { device: device.label })}
                onClick={() => remove.mutate(device.id)}
              >
                <Trash2 />
              </Button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
