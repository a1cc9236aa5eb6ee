import { useQuery } from "@tanstack/react-query";
import {
  CircleHelp,
  Gamepad,
  LogOut,
  type LucideIcon,
  Monitor,
  Pencil,
  Smartphone,
  Tablet,
  Terminal,
  Tv,
} from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import type { SignIn } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { ago, day } from "@/lib/time";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, IconButton } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import {
  called,
  described,
  devices,
  NAME_CHARS_MAX,
  nameOf,
  placed,
  useDeviceActs,
  useNameDevice,
} from "./devices";

const icons: Record<SignIn["kind"], LucideIcon> = {
  computer: Monitor,
  phone: Smartphone,
  tablet: Tablet,
  tv: Tv,
  console: Gamepad,
  program: Terminal,
  unknown: CircleHelp,
};

/** Where the member is signed in: what it is, since when, and how to end it from here. */
export function Devices() {
  const { t } = useTranslation();
  const list = useQuery(devices());
  const { end, endOthers } = useDeviceActs();
  const [asked, setAsked] = useState<SignIn | "others" | null>(null);
  if (list.isPending)
    return (
      <div className="flex flex-col gap-3">
        <Skeleton className="h-14" />
        <Skeleton className="h-14" />
      </div>
    );
  if (!list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  const { items, total } = list.data;
  const others = total - items.filter((one) => one.is_current).length;
  const close = () => setAsked(null);
  return (
    <div className="flex flex-col gap-4" data-testid="devices">
      <p className="text-soft">{t("devices.lead")}</p>
      <ul className="flex flex-col divide-y divide-line" aria-label={t("devices.title")}>
        {items.map((device) => (
          <Row key={device.id} device={device} onEnd={() => setAsked(device)} />
        ))}
      </ul>
      {total > items.length && (
        <p className="text-faint text-sm">{t("devices.more", { count: total - items.length })}</p>
      )}
      {others > 0 ? (
        <div>
          <Button look="danger" onClick={() => setAsked("others")} data-testid="end-others">
            <LogOut />
            {t("devices.end_others")}
          </Button>
        </div>
      ) : (
        <p className="text-faint text-sm" data-testid="devices-alone">
          {t("devices.alone")}
        </p>
      )}
      <ConfirmDialog
        isOpen={asked !== null && asked !== "others"}
        onClose={close}
        onConfirm={() => asked && asked !== "others" && end.mutate(asked.id, { onSettled: close })}
        isBusy={end.isPending}
        title={t("devices.end_title", { device: asked && asked !== "others" ? called(t, asked) : "" })}
        description={t("devices.end_text")}
        confirmLabel={t("devices.end")}
        testId="end-device-confirm"
      />
      <ConfirmDialog
        isOpen={asked === "others"}
        onClose={close}
        onConfirm={() => endOthers.mutate(undefined, { onSettled: close })}
        isBusy={endOthers.isPending}
        title={t("devices.end_others_title", { count: others })}
        description={t("devices.end_others_text")}
        confirmLabel={t("devices.end_others")}
        testId="end-others-confirm"
      />
    </div>
  );
}

function Row({ device, onEnd }: { device: SignIn; onEnd: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const [isNaming, setNaming] = useState(false);
  const pencil = useRef<HTMLButtonElement>(null);
  const wasNaming = useRef(false);
  useEffect(() => {
    // Whoever works by keyboard goes on where they were.
    if (wasNaming.current && !isNaming) pencil.current?.focus();
    wasNaming.current = isNaming;
  }, [isNaming]);
  const Icon = icons[device.kind];
  const name = called(t, device);
  const seen = device.is_current
    ? t("devices.active_now")
    : t("devices.active", { when: ago(device.last_used_at, lang) });
  const facts = [
    device.name ? described(t, device) : null,
    placed(device.place, lang),
    device.address,
    seen,
  ].filter(Boolean);
  return (
    <li
      className="flex items-start gap-3 py-3"
      data-testid="device"
      data-kind={device.kind}
      data-current={device.is_current}
    >
      <Icon
        role="img"
        aria-label={t(`devices.kind.${device.kind}`)}
        className="mt-0.5 size-5 shrink-0 text-soft"
      />
      {isNaming ? (
        <NameForm device={device} onDone={() => setNaming(false)} />
      ) : (
        <>
          <div className="min-w-0 flex-1">
            <p className="flex flex-wrap items-baseline gap-x-2 text-[15px]">
              <span className="font-semibold [overflow-wrap:anywhere]">{name}</span>
              {device.is_current && (
                <span className="font-semibold text-good text-sm">{t("devices.this")}</span>
              )}
            </p>
            <p className="text-soft text-sm [overflow-wrap:anywhere]">{facts.join(" · ")}</p>
            <p className="text-faint text-sm">{t("devices.since", { day: day(device.created_at, lang) })}</p>
          </div>
          <IconButton
            ref={pencil}
            look="ghost"
            size="icon"
            label={t("devices.name_of", { device: name })}
            hint={t("devices.name")}
            onClick={() => setNaming(true)}
            data-testid="name-device"
          >
            <Pencil />
          </IconButton>
          {!device.is_current && (
            <IconButton
              look="ghost"
              size="icon"
              label={t("devices.end_of", { device: name })}
              hint={t("devices.end")}
              onClick={onEnd}
              data-testid="end-device"
            >
              <LogOut />
            </IconButton>
          )}
        </>
      )}
    </li>
  );
}

function NameForm({ device, onDone }: { device: SignIn; onDone: () => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(device.name ?? "");
  const save = useNameDevice(device.id);
  const told = save.error ? ApiError.of(save.error) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!save.isPending) save.mutate(nameOf(typed), { onSuccess: onDone });
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key === "Escape") onDone();
  };
  return (
    <form onSubmit={submit} className="flex min-w-0 flex-1 flex-col gap-2">
      <TextField
        label={t("devices.name")}
        hint={t("devices.name_hint")}
        placeholder={described(t, device)}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={leave}
        maxLength={NAME_CHARS_MAX}
        autoComplete="off"
        autoFocus
        error={told && (told.fields[0]?.message ?? errorText(t, told))}
        data-testid="device-name"
      />
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="solid" size="s" isBusy={save.isPending} data-testid="device-name-save">
          {t("actions.save")}
        </Button>
        <Button look="ghost" size="s" onClick={onDone}>
          {t("actions.cancel")}
        </Button>
      </div>
    </form>
  );
}
