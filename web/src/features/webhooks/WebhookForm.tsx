import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { retryAttempt } from "@/api/attempts";
import { ApiError } from "@/api/errors";
import type { Webhook } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { TextField } from "@/ui/field";
import { type ChosenEvent, EVENTS, eventKey, isKnownEvent, toKeep } from "./events";
import { addWebhook, updateWebhook } from "./queries";

const URL_CHARS_MAX = 1024;
const DESCRIPTION_CHARS_MAX = 200;

/** A new webhook, or a change of one. `onDone` gets the key of a new one. */
export function WebhookForm({
  webhook,
  onDone,
}: {
  webhook: Webhook | null;
  onDone: (secret: string | null) => void;
}) {
  const { t } = useTranslation();
  const [url, setUrl] = useState(webhook?.url ?? "");
  const [description, setDescription] = useState(webhook?.description ?? "");
  const [isAll, setAll] = useState((webhook?.events.length ?? 0) === 0);
  const [chosen, setChosen] = useState<ReadonlySet<ChosenEvent>>(
    new Set(webhook?.events.length ? webhook.events.filter(isKnownEvent) : EVENTS),
  );
  const save = useMutation({
    mutationFn: async () => {
      const body = { url: url.trim(), description: description.trim(), events: toKeep(chosen, isAll) };
      if (webhook) {
        await updateWebhook(webhook.id, body);
        return null;
      }
      return (await addWebhook({ ...body, is_enabled: true })).secret;
    },
    retry: retryAttempt,
    onSuccess: onDone,
  });
  const fault = save.error ? ApiError.of(save.error) : null;
  const told = (field: string) => fault?.fields.find((one) => one.field === field)?.message ?? null;
  const isNothing = !isAll && chosen.size === 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isNothing && !save.isPending) save.mutate();
  };
  const choose = (event: ChosenEvent, isOn: boolean) => {
    const next = new Set(chosen);
    if (isOn) next.add(event);
    else next.delete(event);
    setChosen(next);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label={t("webhooks.url")}
        hint={t("webhooks.url_hint")}
        error={told("url") && t("webhooks.url_refused")}
        type="url"
        inputMode="url"
        value={url}
        onChange={(event) => {
          save.reset();
          setUrl(event.target.value);
        }}
        maxLength={URL_CHARS_MAX}
        required
        autoCapitalize="none"
        autoComplete="off"
        spellCheck={false}
        data-testid="webhook-url"
      />
      <TextField
        label={t("webhooks.description")}
        error={told("description")}
        value={description}
        onChange={(event) => setDescription(event.target.value)}
        maxLength={DESCRIPTION_CHARS_MAX}
        autoComplete="off"
        data-testid="webhook-description"
      />
      <fieldset className="flex flex-col gap-1">
        <legend className="mb-1.5 font-semibold text-sm">{t("webhooks.events")}</legend>
        <Check
          label={t("webhooks.all_events")}
          text={t("webhooks.all_events_text")}
          isOn={isAll}
          onChange={setAll}
          testId="event-all"
        />
        {!isAll &&
          EVENTS.map((event) => (
            <Check
              key={event}
              label={event}
              isCode
              text={t(`webhooks.event.${eventKey(event)}` as "webhooks.event.stream_online")}
              isOn={chosen.has(event)}
              onChange={(isOn) => choose(event, isOn)}
              testId={`event-${event}`}
            />
          ))}
        {isNothing && (
          <p role="alert" className="text-danger text-sm">
            {t("webhooks.choose_some")}
          </p>
        )}
      </fieldset>
      {fault && fault.fields.length === 0 && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, fault)}
        </p>
      )}
      <div className="flex justify-end">
        <Button
          type="submit"
          look="solid"
          isBusy={save.isPending}
          disabled={isNothing}
          data-testid="webhook-save"
        >
          {webhook ? t("actions.save") : t("webhooks.add")}
        </Button>
      </div>
    </form>
  );
}

function Check({
  label,
  text,
  isOn,
  isCode = false,
  onChange,
  testId,
}: {
  label: string;
  text: string;
  isOn: boolean;
  isCode?: boolean;
  onChange: (isOn: boolean) => void;
  testId: string;
}) {
  return (
    <label className="flex cursor-pointer items-start gap-3 rounded-md px-2 py-1.5 hover:bg-raised">
      <input
        type="checkbox"
        checked={isOn}
        onChange={(event) => onChange(event.target.checked)}
        className="mt-0.5 size-[18px] shrink-0 accent-melt"
        data-testid={testId}
      />
      <span className="min-w-0">
        <span className={isCode ? "block font-mono text-[13px]" : "block font-semibold text-sm"}>
          {label}
        </span>
        <span className="block text-faint text-sm">{text}</span>
      </span>
    </label>
  );
}
