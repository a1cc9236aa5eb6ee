import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { CopyButton } from "@/ui/copy";
import { Dialog } from "@/ui/dialog";
import { inputClass } from "@/ui/field";
import { PasswordField } from "@/ui/password";
import { toast } from "@/ui/toast";
import { CodeField } from "./CodeField";
import { codesFile, grouped, pictureUrl, type Setup } from "./twoFactor";

type Props = { username: string; onClose: () => void };

/** Password, then picture and code, then the recovery codes. */
export function TurnOnDialog({ username, onClose }: Props) {
  const { t } = useTranslation();
  const [setup, setSetup] = useState<Setup | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const done = () => {
    toast({ kind: "good", title: t("two_factor.turned_on") });
    onClose();
  };
  const step = codes ? 3 : setup ? 2 : 1;
  return (
    <Dialog
      isOpen
      onClose={codes ? done : onClose}
      title={t(`two_factor.step_${step}`)}
      description={t(`two_factor.step_${step}_text`)}
    >
      {codes ? (
        <Codes username={username} codes={codes} onKept={done} />
      ) : setup ? (
        <Confirm setup={setup} onDone={setCodes} onClose={onClose} />
      ) : (
        <Begin username={username} onDone={setSetup} onClose={onClose} />
      )}
    </Dialog>
  );
}

function Begin({
  username,
  onDone,
  onClose,
}: {
  username: string;
  onDone: (setup: Setup) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  const begin = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/me/two-factor", { body: { password } })),
    networkMode: "always",
    onSuccess: onDone,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (password && !begin.isPending) begin.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Username value={username} />
      <PasswordField
        label={t("auth.password")}
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        error={begin.isError ? errorText(t, begin.error) : null}
        data-testid="two-factor-password"
      />
      <Feet onClose={onClose}>
        <Button
          type="submit"
          look="solid"
          isBusy={begin.isPending}
          disabled={!password}
          data-testid="two-factor-next"
        >
          {t("two_factor.next")}
        </Button>
      </Feet>
    </form>
  );
}

function Confirm({
  setup,
  onDone,
  onClose,
}: {
  setup: Setup;
  onDone: (codes: readonly string[]) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const id = useId();
  const [code, setCode] = useState("");
  const picture = useRef<HTMLImageElement>(null);
  // The form that had the focus is gone. Not the field: on a phone its keys would cover the picture.
  useEffect(() => picture.current?.focus(), []);
  const confirm = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/me/two-factor/confirm", { body: { code } })),
    networkMode: "always",
    onSuccess: (answer) => onDone(answer.recovery_codes),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (code.trim() && !confirm.isPending) confirm.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <img
        ref={picture}
        tabIndex={-1}
        src={pictureUrl(setup.qr_svg)}
        alt={t("two_factor.picture")}
        width={220}
        height={220}
        className="self-center rounded-md bg-white outline-none"
        data-testid="two-factor-picture"
      />
      <div className="flex flex-col gap-1.5">
        <label htmlFor={id} className="font-semibold text-sm">
          {t("two_factor.secret")}
        </label>
        <div className="flex gap-2">
          <input
            id={id}
            readOnly
            value={grouped(setup.secret)}
            onFocus={(event) => event.target.select()}
            className={`${inputClass} min-w-0 font-mono text-sm`}
            data-testid="two-factor-secret"
          />
          <CopyButton text={setup.secret} label={t("two_factor.copy_secret")} isIconOnly />
        </div>
        <p className="text-sm">
          <a href={setup.otpauth_url} className="text-melt underline underline-offset-4">
            {t("two_factor.open_app")}
          </a>
        </p>
      </div>
      <CodeField
        takesRecovery={false}
        value={code}
        onChange={(event) => setCode(event.target.value)}
        error={confirm.isError ? errorText(t, confirm.error) : null}
        data-testid="two-factor-code"
      />
      <Feet onClose={onClose}>
        <Button
          type="submit"
          look="solid"
          isBusy={confirm.isPending}
          disabled={!code.trim()}
          data-testid="two-factor-confirm"
        >
          {t("two_factor.turn_on")}
        </Button>
      </Feet>
    </form>
  );
}

/** The recovery codes, this once. */
function Codes({
  username,
  codes,
  onKept,
}: {
  username: string;
  codes: readonly string[];
  onKept: () => void;
}) {
  const { t } = useTranslation();
  const list = useRef<HTMLUListElement>(null);
  // The form that had the focus is gone.
  useEffect(() => list.current?.focus(), []);
  const text = codesFile(location.host, username, codes);
  return (
    <div className="flex flex-col gap-4">
      <ul
        ref={list}
        tabIndex={-1}
        aria-label={t("two_factor.codes")}
        className="grid grid-cols-2 gap-x-4 gap-y-2 rounded-md border border-line bg-raised p-4 text-center font-mono text-[15px] outline-none"
        data-testid="recovery-codes"
      >
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="flex flex-wrap gap-2">
        <CopyButton text={codes.join("\n")} label={t("two_factor.copy_codes")} testId="copy-codes" />
        <a
          className="inline-flex h-8 items-center gap-1.5 rounded-sm border border-line bg-raised px-3 font-semibold text-sm hover:border-line-strong"
          href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}
          download="rillcast-recovery-codes.txt"
          data-testid="download-codes"
        >
          <Download aria-hidden="true" className="size-[1.15em]" />
          {t("two_factor.download_codes")}
        </a>
      </div>
      <div className="flex justify-end">
        <Button look="solid" onClick={onKept} data-testid="codes-kept">
          {t("two_factor.codes_kept")}
        </Button>
      </div>
    </div>
  );
}

/** Ten fresh codes, for password and code. */
export function NewCodesDialog({ username, onClose }: Props) {
  const { t } = useTranslation();
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={codes ? t("two_factor.step_3") : t("two_factor.new_codes")}
      description={codes ? t("two_factor.step_3_text") : t("two_factor.new_codes_text")}
    >
      {codes ? (
        <Codes username={username} codes={codes} onKept={onClose} />
      ) : (
        <Prove
          username={username}
          send={async (body) => {
            const answer = await unwrap(api.POST("/api/v1/me/two-factor/recovery-codes", { body }));
            setCodes(answer.recovery_codes);
          }}
          onClose={onClose}
          label={t("two_factor.make_codes")}
        />
      )}
    </Dialog>
  );
}

/** The password alone is enough afterwards. */
export function TurnOffDialog({ username, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={t("two_factor.turn_off")}
      description={t("two_factor.turn_off_text")}
    >
      <Prove
        username={username}
        send={async (body) => {
          await unwrap(api.POST("/api/v1/me/two-factor/off", { body }));
          toast({ kind: "good", title: t("two_factor.turned_off") });
          onClose();
        }}
        onClose={onClose}
        label={t("two_factor.turn_off")}
        isDangerous
      />
    </Dialog>
  );
}

/** Password and code, for what changes the second step itself. */
function Prove({
  username,
  send,
  onClose,
  label,
  isDangerous = false,
}: {
  username: string;
  send: (body: { password: string; code: string }) => Promise<void>;
  onClose: () => void;
  label: string;
  isDangerous?: boolean;
}) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const prove = useMutation({ mutationFn: () => send({ password, code }), networkMode: "always" });
  const told = prove.isError ? errorText(t, prove.error) : null;
  const isPassword = prove.isError && ApiError.of(prove.error).code === "account.wrong-password";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (password && code.trim() && !prove.isPending) prove.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Username value={username} />
      <PasswordField
        label={t("auth.password")}
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        error={isPassword ? told : null}
        data-testid="two-factor-password"
      />
      <CodeField
        value={code}
        onChange={(event) => setCode(event.target.value)}
        error={isPassword ? null : told}
        data-testid="two-factor-code"
      />
      <Feet onClose={onClose}>
        <Button
          type="submit"
          look={isDangerous ? "danger" : "solid"}
          isBusy={prove.isPending}
          disabled={!password || !code.trim()}
          data-testid="two-factor-confirm"
        >
          {label}
        </Button>
      </Feet>
    </form>
  );
}

/** Password managers learn from it whose password this is. */
function Username({ value }: { value: string }) {
  return <input type="text" name="username" autoComplete="username" value={value} readOnly hidden />;
}

function Feet({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <div className="flex justify-end gap-2">
      <Button look="ghost" onClick={onClose}>
        {t("actions.cancel")}
      </Button>
      {children}
    </div>
  );
}
