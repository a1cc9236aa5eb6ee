import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { retryAttempt } from "@/api/attempts";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { SelectField, TextField } from "@/ui/field";
import { PasswordField } from "@/ui/password";
import { Segmented } from "@/ui/segmented";
import { createShareLink, SHARES, type ShareLink, type Thing, updateShareLink } from "./api";
import { asField, endOf, SPANS, type Span, visitsOf } from "./expiry";

const PASSWORD_CHARS_MIN = 4;

type Fault = "end" | "password" | "visits";

/** A new link for something, or a change of one. */
export function LinkForm({
  thing,
  link,
  onDone,
  onCancel,
}: {
  thing: Pick<Thing, "kind"> & Partial<Thing>;
  /** The one that is changed. */
  link: ShareLink | null;
  onDone: (link: ShareLink) => void;
  onCancel?: () => void;
}) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [permission, setPermission] = useState<ShareLink["permission"]>(link?.permission ?? "view");
  const [span, setSpan] = useState<Span>(link ? (link.expires_at ? "own" : "never") : "week");
  const [own, setOwn] = useState(asField(link?.expires_at));
  const [password, setPassword] = useState("");
  const [isOpened, setOpened] = useState(false);
  const [visits, setVisits] = useState(link?.max_accesses ? String(link.max_accesses) : "");
  const [isTold, setTold] = useState(link?.notify_on_access ?? false);
  const [fault, setFault] = useState<Fault | null>(null);

  const save = useMutation({
    mutationFn: ({
      expires_at,
      max_accesses,
    }: {
      expires_at: string | null;
      max_accesses: number | null;
    }) => {
      const rest = { permission, expires_at, max_accesses, notify_on_access: isTold };
      if (link) {
        const secret = isOpened ? { password: null } : password === "" ? {} : { password };
        // An end that was not touched stays to the second.
        const end = span === "own" && own === asField(link.expires_at) ? {} : { expires_at };
        const { expires_at: _, ...others } = rest;
        return updateShareLink(link.id, { ...others, ...end, ...secret });
      }
      const what =
        thing.kind === "folder"
          ? { path: (thing as Extract<Thing, { kind: "folder" }>).path }
          : { resource_id: (thing as Extract<Thing, { id: string }>).id, resource_type: thing.kind };
      return createShareLink({ ...what, ...rest, ...(password === "" ? {} : { password }) });
    },
    retry: link ? false : retryAttempt,
    onSuccess: onDone,
    onSettled: () => client.invalidateQueries({ queryKey: SHARES }),
  });

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const isKept = link !== null && span === "own" && own === asField(link.expires_at);
    const expires_at = isKept ? (link.expires_at ?? null) : endOf(span, own);
    const max_accesses = visitsOf(visits);
    const wrong: Fault | null =
      expires_at === undefined
        ? "end"
        : max_accesses === undefined
          ? "visits"
          : password !== "" && [...password].length < PASSWORD_CHARS_MIN
            ? "password"
            : null;
    setFault(wrong);
    if (wrong || expires_at === undefined || max_accesses === undefined || save.isPending) return;
    save.mutate({ expires_at, max_accesses });
  };

  return (
    <form onSubmit={submit} className="flex flex-col gap-4" data-testid="share-form" noValidate>
      {thing.kind !== "vod" && (
        <Segmented
          label={t("shares.permission.label")}
          value={permission}
          options={(["view", "download"] as const).map((value) => ({
            value,
            label: t(`shares.permission.${value}`),
          }))}
          onChange={setPermission}
        />
      )}
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField
          label={t("shares.ends.label")}
          value={span}
          onChange={(event) => setSpan(event.target.value as Span)}
          data-testid="share-span"
        >
          {SPANS.map((one) => (
            <option key={one} value={one}>
              {t(`shares.ends.${one}`)}
            </option>
          ))}
        </SelectField>
        {span === "own" && (
          <TextField
            label={t("shares.ends.at")}
            type="datetime-local"
            value={own}
            onChange={(event) => setOwn(event.target.value)}
            error={fault === "end" ? t("shares.fault.end") : null}
            data-testid="share-end"
          />
        )}
        <TextField
          label={t("shares.visits.label")}
          placeholder={t("shares.visits.any")}
          inputMode="numeric"
          value={visits}
          onChange={(event) => setVisits(event.target.value)}
          error={fault === "visits" ? t("shares.fault.visits") : null}
          autoComplete="off"
          data-testid="share-visits"
        />
      </div>
      {!isOpened && (
        <PasswordField
          label={t(link?.has_password ? "shares.password.another" : "shares.password.label")}
          hint={t(link ? "shares.password.change_hint" : "shares.password.hint")}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          error={fault === "password" ? t("shares.fault.password") : null}
          autoComplete="new-password"
          data-testid="share-password"
        />
      )}
      {link?.has_password && (
        <Check
          label={t("shares.password.none")}
          isOn={isOpened}
          onChange={(isOn) => {
            setOpened(isOn);
            setPassword("");
          }}
          testId="share-open"
        />
      )}
      <Check label={t("shares.notify")} isOn={isTold} onChange={setTold} testId="share-notify" />
      {save.isError && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, save.error)}
        </p>
      )}
      <div className="flex justify-end gap-2">
        {onCancel && (
          <Button look="ghost" onClick={onCancel}>
            {t("actions.cancel")}
          </Button>
        )}
        <Button type="submit" look="solid" isBusy={save.isPending} data-testid="share-save">
          {t(link ? "actions.save" : "shares.create")}
        </Button>
      </div>
    </form>
  );
}

function Check({
  label,
  isOn,
  onChange,
  testId,
}: {
  label: string;
  isOn: boolean;
  onChange: (isOn: boolean) => void;
  testId: string;
}) {
  return (
    <label className="flex min-h-6 items-center gap-3">
      <input
        type="checkbox"
        className="size-[18px] shrink-0 accent-[var(--melt)]"
        checked={isOn}
        onChange={(event) => onChange(event.target.checked)}
        data-testid={testId}
      />
      <span>{label}</span>
    </label>
  );
}
