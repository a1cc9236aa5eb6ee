import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import type { ApiScope, ApiToken } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { ago, day } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { ErrorState, Skeleton, Tag } from "@/ui/bits";
import { Button, IconButton } from "@/ui/button";
import { CopyButton } from "@/ui/copy";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { inputClass, TextField } from "@/ui/field";
import { PasswordField } from "@/ui/password";
import { Segmented } from "@/ui/segmented";
import { apiTokens, DAYS, type Days, isOver, SCOPES, scopeKey, useTokenActs } from "./apiTokens";
import { NAME_CHARS_MAX } from "./devices";

/** Tokens for the member's own programs: what each may do, when it was used, and its end. */
export function ApiTokens({ username }: { username: string }) {
  const { t } = useTranslation();
  const list = useQuery(apiTokens());
  const { remove } = useTokenActs();
  const [isAdding, setAdding] = useState(false);
  const [asked, setAsked] = useState<ApiToken | null>(null);
  if (list.isPending) return <Skeleton className="h-20" />;
  if (!list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  const { items } = list.data;
  const close = () => setAsked(null);
  return (
    <div className="flex flex-col gap-4" data-testid="api-tokens">
      <p className="text-soft">{t("api_tokens.lead")}</p>
      {items.length > 0 ? (
        <ul className="flex flex-col divide-y divide-line" aria-label={t("api_tokens.title")}>
          {items.map((token) => (
            <Row key={token.id} token={token} onEnd={() => setAsked(token)} />
          ))}
        </ul>
      ) : (
        <p className="text-faint text-sm" data-testid="no-api-tokens">
          {t("api_tokens.none")}
        </p>
      )}
      <div>
        <Button onClick={() => setAdding(true)} data-testid="add-api-token">
          <Plus />
          {t("api_tokens.add")}
        </Button>
      </div>
      {isAdding && <AddDialog username={username} onClose={() => setAdding(false)} />}
      <ConfirmDialog
        isOpen={asked !== null}
        onClose={close}
        onConfirm={() => asked && remove.mutate(asked.id, { onSettled: close })}
        isBusy={remove.isPending}
        title={t("api_tokens.end_title", { name: asked?.name ?? "" })}
        description={t("api_tokens.end_text")}
        confirmLabel={t("api_tokens.end")}
        testId="end-api-token-confirm"
      />
    </div>
  );
}

function Row({ token, onEnd }: { token: ApiToken; onEnd: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const now = useNow(60_000);
  const over = isOver(token, now);
  const used = token.last_used_at
    ? t("api_tokens.used", { when: ago(token.last_used_at, lang, now) })
    : t("api_tokens.unused");
  const until = t(over ? "api_tokens.over" : "api_tokens.until", { day: day(token.expires_at, lang) });
  const facts = [used, token.last_used_address, until].filter(Boolean);
  return (
    <li className="flex items-start gap-3 py-3" data-testid="api-token" data-over={over}>
      <KeyRound aria-hidden="true" className="mt-0.5 size-5 shrink-0 text-soft" />
      <div className="flex min-w-0 flex-1 flex-col gap-1.5">
        <p className="flex flex-wrap items-baseline gap-x-2 text-[15px]">
          <span className="font-semibold [overflow-wrap:anywhere]">{token.name}</span>
          <span className="font-mono text-[13px] text-faint">…{token.hint}</span>
        </p>
        <p className={over ? "text-danger text-sm" : "text-soft text-sm"}>{facts.join(" · ")}</p>
        <div className="flex flex-wrap gap-1.5">
          {token.scopes.map((scope) => (
            <Tag key={scope}>{scope}</Tag>
          ))}
        </div>
      </div>
      <IconButton
        look="ghost"
        size="icon"
        label={t("api_tokens.end_of", { name: token.name })}
        hint={t("api_tokens.end")}
        onClick={onEnd}
        data-testid="end-api-token"
      >
        <Trash2 />
      </IconButton>
    </li>
  );
}

/** What it may do and for how long, then the token, this once. */
function AddDialog({ username, onClose }: { username: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [token, setToken] = useState<string | null>(null);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t(token ? "api_tokens.made" : "api_tokens.add")}
      description={token ? t("api_tokens.made_text") : undefined}
    >
      {token ? (
        <Made token={token} onKept={onClose} />
      ) : (
        <AddForm username={username} onMade={setToken} onClose={onClose} />
      )}
    </Dialog>
  );
}

function AddForm({
  username,
  onMade,
  onClose,
}: {
  username: string;
  onMade: (token: string) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const { add } = useTokenActs();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<ApiScope>>(new Set());
  const [days, setDays] = useState<Days>("90");
  const [password, setPassword] = useState("");
  const fault = add.error ? ApiError.of(add.error) : null;
  const isWrong = fault?.code === "account.wrong-password";
  const told = (field: string) => fault?.fields.find((one) => one.field === field)?.message ?? null;
  const isReady = name.trim() !== "" && chosen.size > 0 && password !== "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isReady || add.isPending) return;
    const scopes = SCOPES.filter((scope) => chosen.has(scope));
    add.mutate({ name: name.trim(), scopes, days, password }, { onSuccess: (made) => onMade(made.token) });
  };
  const choose = (scope: ApiScope, isOn: boolean) => {
    const next = new Set(chosen);
    if (isOn) next.add(scope);
    else next.delete(scope);
    setChosen(next);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
      <TextField
        label={t("api_tokens.name")}
        hint={t("api_tokens.name_hint")}
        value={name}
        onChange={(event) => setName(event.target.value)}
        maxLength={NAME_CHARS_MAX}
        required
        autoComplete="off"
        error={told("name")}
        data-testid="api-token-name"
      />
      <fieldset className="flex flex-col gap-1">
        <legend className="mb-1.5 font-semibold text-sm">{t("api_tokens.scopes")}</legend>
        {SCOPES.map((scope) => (
          <label
            key={scope}
            className="flex cursor-pointer items-start gap-3 rounded-md px-2 py-1.5 hover:bg-raised"
          >
            <input
              type="checkbox"
              checked={chosen.has(scope)}
              onChange={(event) => choose(scope, event.target.checked)}
              className="mt-0.5 size-[18px] shrink-0 accent-melt"
              data-testid={`scope-${scope}`}
            />
            <span className="min-w-0">
              <span className="block text-[15px]">
                {t(`api_tokens.scope.${scopeKey(scope)}` as "api_tokens.scope.content_read")}
              </span>
              <span className="block font-mono text-[13px] text-faint">{scope}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <Segmented
        label={t("api_tokens.days")}
        value={days}
        onChange={setDays}
        options={DAYS.map((value) => ({ value, label: t("api_tokens.days_of", { count: Number(value) }) }))}
      />
      <PasswordField
        label={t("auth.password")}
        hint={t("api_tokens.password_hint")}
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        error={isWrong ? errorText(t, add.error) : null}
        data-testid="api-token-password"
      />
      {fault && !isWrong && !told("name") && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, fault)}
        </p>
      )}
      <div className="flex justify-end gap-2">
        <Button look="ghost" onClick={onClose}>
          {t("actions.cancel")}
        </Button>
        <Button
          type="submit"
          look="solid"
          isBusy={add.isPending}
          disabled={!isReady}
          data-testid="api-token-save"
        >
          {t("api_tokens.make")}
        </Button>
      </div>
    </form>
  );
}

function Made({ token, onKept }: { token: string; onKept: () => void }) {
  const { t } = useTranslation();
  const id = useId();
  return (
    <>
      <div className="flex flex-col gap-1.5">
        <label htmlFor={id} className="font-semibold text-sm">
          {t("api_tokens.token")}
        </label>
        <div className="flex gap-2">
          <input
            id={id}
            readOnly
            value={token}
            onFocus={(event) => event.target.select()}
            className={`${inputClass} min-w-0 font-mono text-sm`}
            data-testid="api-token-value"
          />
          <CopyButton text={token} label={t("api_tokens.copy")} testId="copy-api-token" isIconOnly />
        </div>
      </div>
      <div className="flex justify-end">
        <Button look="solid" onClick={onKept} data-testid="api-token-kept">
          {t("api_tokens.kept")}
        </Button>
      </div>
    </>
  );
}
