// Small shared pieces: badges, skeletons, empty and error states.
import { Link } from "@tanstack/react-router";
import { RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { Button, buttonClass } from "./button";
import { CopyButton } from "./copy";

export function LiveBadge({ className }: { className?: string }) {
  const { t } = useTranslation();
  return (
    <span
      data-testid="live-badge"
      className={cx(
        "inline-flex h-[22px] items-center gap-1.5 rounded-sm bg-live px-2 font-bold text-[11px] text-on-live uppercase tracking-wider",
        className,
      )}
    >
      <span
        aria-hidden="true"
        className="size-1.5 rounded-full bg-current motion-safe:animate-[pulse-dot_2s_infinite]"
      />
      {t("live.badge")}
    </span>
  );
}

export function Tag({ children }: { children: ReactNode }) {
  return (
    <span className="inline-flex h-6 max-w-full items-center truncate rounded-full border border-line px-2.5 text-soft text-xs">
      {children}
    </span>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return (
    <div
      aria-hidden="true"
      className={cx(
        "rounded-md bg-raised motion-safe:animate-[shimmer_1.6s_ease-in-out_infinite]",
        className,
      )}
    />
  );
}

/** Three threads of water: the mark, drawn large and faint. */
export function Rills({ className }: { className?: string }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 480 120"
      preserveAspectRatio="xMidYMid slice"
      className={cx("overflow-hidden text-thumb", className)}
    >
      <g
        fill="none"
        stroke="currentColor"
        strokeLinecap="round"
        className="motion-safe:animate-[drift_14s_linear_infinite]"
      >
        {[18, 39, 60, 81, 102].map((y, i) => (
          <path
            key={y}
            strokeWidth={i === 2 ? 2.5 : 1.25}
            opacity={i === 2 ? 0.9 : 0.35}
            d={`M-120 ${y}${" q30 -16 60 0 t60 0".repeat(7)}`}
          />
        ))}
      </g>
    </svg>
  );
}

export function Empty({
  title,
  children,
  action,
  className,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  className?: string;
}) {
  return (
    <div
      className={cx(
        "relative flex flex-col items-start gap-2 overflow-hidden rounded-lg border border-line bg-surface px-6 py-9 sm:px-9",
        className,
      )}
    >
      <Rills className="pointer-events-none absolute inset-y-0 right-0 h-full w-1/2 opacity-35 max-sm:hidden [mask-image:linear-gradient(to_right,transparent_25%,black)]" />
      <p className="relative font-bold font-display text-xl">{title}</p>
      {children && <div className="relative max-w-prose text-soft sm:max-w-[62%]">{children}</div>}
      {action && <div className="relative mt-3">{action}</div>}
    </div>
  );
}

export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const { requestId } = ApiError.of(error);
  return (
    <div
      role="alert"
      className="flex flex-col items-start gap-2 rounded-lg border border-danger/40 bg-danger-wash px-6 py-6"
    >
      <p className="font-bold font-display text-lg">{t("errors.title")}</p>
      <p className="text-soft">{errorText(t, error)}</p>
      <div className="mt-2 flex flex-wrap items-center gap-2">
        {onRetry && (
          <Button look="soft" size="s" onClick={onRetry}>
            <RotateCw />
            {t("actions.retry")}
          </Button>
        )}
        {requestId && <CopyButton text={requestId} label={t("errors.copy_request_id")} />}
      </div>
    </div>
  );
}

export function SectionHead({ title, to, action }: { title: string; to?: ReactNode; action?: ReactNode }) {
  return (
    <div className="mb-4 flex items-end justify-between gap-4">
      <h2 className="font-bold text-[22px] leading-tight tracking-tight">{title}</h2>
      {to}
      {action}
    </div>
  );
}

export function HomeLink() {
  const { t } = useTranslation();
  return (
    <Link to="/" className={buttonClass("solid")}>
      {t("actions.go_home")}
    </Link>
  );
}
