import { DoorClosed, Hourglass, KeyRound } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { PageHead } from "@/shell/PageHead";
import { HomeLink, Rills } from "@/ui/bits";
import { Button } from "@/ui/button";
import { PasswordField } from "@/ui/password";

/** What stands in the way of what is shared. */
function Door({
  icon,
  title,
  text,
  testId,
  children,
}: {
  icon: ReactNode;
  title: string;
  text: string;
  testId: string;
  children?: ReactNode;
}) {
  return (
    <div
      className="container-page relative grid min-h-[calc(100dvh-var(--header-h)-80px)] content-center justify-items-center overflow-hidden py-12"
      data-testid={testId}
    >
      <Rills className="pointer-events-none absolute inset-x-0 bottom-0 h-40 w-full opacity-25 [mask-image:linear-gradient(to_bottom,transparent,black)]" />
      <div className="relative flex w-full max-w-[440px] flex-col gap-4 rounded-lg border border-line bg-surface p-6 sm:p-8">
        <span className="text-melt [&_svg]:size-9" aria-hidden="true">
          {icon}
        </span>
        <div className="-mb-6">
          <PageHead title={title} />
        </div>
        <p className="text-soft">{text}</p>
        {children}
      </div>
    </div>
  );
}

/** Asks for the password. Whether there is such a link nobody hears without it. */
export function PasswordGate({
  isWrong,
  isBusy,
  onTry,
}: {
  isWrong: boolean;
  isBusy: boolean;
  onTry: (password: string) => void;
}) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (password !== "" && !isBusy) onTry(password);
  };
  return (
    <Door icon={<KeyRound />} title={t("share.gate.title")} text={t("share.gate.text")} testId="share-gate">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <PasswordField
          label={t("share.gate.password")}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          error={isWrong && !isBusy ? t("share.gate.wrong") : null}
          autoComplete="off"
          data-testid="share-gate-password"
        />
        <Button
          type="submit"
          look="solid"
          isBusy={isBusy}
          disabled={password === ""}
          data-testid="share-gate-open"
        >
          {t("share.gate.open")}
        </Button>
      </form>
    </Door>
  );
}

const CLOSED = ["expired", "exhausted", "revoked", "gone", "over"] as const;

/** The link leads nowhere any more. */
export function Closed({ code, onOpen }: { code: string; onOpen?: () => void }) {
  const { t } = useTranslation();
  const why = CLOSED.find((one) => code === `share.${one}`) ?? "gone";
  return (
    <Door
      icon={<DoorClosed />}
      title={t(`share.closed.${why}.title`)}
      text={t(`share.closed.${why}.text`)}
      testId="share-closed"
    >
      <div className="flex flex-wrap gap-2" data-testid={`share-closed-${why}`}>
        {onOpen && (
          <Button look="solid" onClick={onOpen} data-testid="share-again">
            {t("share.closed.again")}
          </Button>
        )}
        <HomeLink />
      </div>
    </Door>
  );
}

/** Too many attempts: how long to wait, and then once more. */
export function Throttled({ seconds, onOver }: { seconds: number; onOver: () => void }) {
  const { t } = useTranslation();
  const [left, setLeft] = useState(Math.ceil(seconds));
  const until = useRef(Date.now() + seconds * 1_000);
  useEffect(() => {
    const timer = setInterval(
      () => setLeft(Math.max(0, Math.ceil((until.current - Date.now()) / 1_000))),
      1_000,
    );
    return () => clearInterval(timer);
  }, []);
  return (
    <Door
      icon={<Hourglass />}
      title={t("share.throttled.title")}
      text={t("share.throttled.text", { count: left })}
      testId="share-throttled"
    >
      <Button look="solid" onClick={onOver} disabled={left > 0}>
        {t("actions.retry")}
      </Button>
    </Door>
  );
}
