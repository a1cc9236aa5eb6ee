import { type ComponentProps, forwardRef } from "react";
import { cx } from "@/lib/cx";

type Look = "solid" | "soft" | "ghost" | "outline" | "danger" | "live";
type Size = "s" | "m" | "l" | "icon" | "icon-s";

const looks: Record<Look, string> = {
  solid: "bg-melt text-on-melt hover:bg-melt-strong",
  soft: "bg-raised text-text border border-line hover:border-line-strong",
  ghost: "text-soft hover:text-text hover:bg-raised",
  outline: "border border-line-strong text-text hover:bg-raised",
  danger: "bg-danger-wash text-danger border border-danger/40 hover:border-danger",
  live: "bg-live text-on-live hover:brightness-110",
};
const sizes: Record<Size, string> = {
  s: "h-8 px-3 text-sm gap-1.5 rounded-sm",
  m: "h-10 px-4 text-[15px] gap-2 rounded-md",
  l: "h-12 px-6 text-base gap-2.5 rounded-md",
  icon: "size-10 rounded-md",
  "icon-s": "size-8 rounded-sm",
};

export function buttonClass(look: Look = "soft", size: Size = "m", className?: string): string {
  return cx(
    "inline-flex shrink-0 select-none items-center justify-center whitespace-nowrap font-semibold transition-colors duration-150",
    "disabled:cursor-not-allowed disabled:opacity-55 aria-disabled:cursor-not-allowed aria-disabled:opacity-55",
    "[&_svg]:size-[1.15em] [&_svg]:shrink-0",
    looks[look],
    sizes[size],
    className,
  );
}

export type ButtonProps = ComponentProps<"button"> & { look?: Look; size?: Size; isBusy?: boolean };

export const Button = forwardRef<HTMLButtonElement, ButtonProps>(function Button(
  { look, size, className, isBusy = false, disabled, children, type = "button", ...rest },
  ref,
) {
  return (
    <button
      ref={ref}
      type={type}
      className={buttonClass(look, size, className)}
      disabled={disabled || isBusy}
      aria-busy={isBusy || undefined}
      {...rest}
    >
      {isBusy && <Spinner />}
      {children}
    </button>
  );
});

/** A button that is a picture. What it does is its name, and is shown to whoever rests on it; `hint` says less there. */
export function IconButton({
  label,
  hint = label,
  size = "icon-s",
  ...rest
}: Omit<ButtonProps, "title" | "aria-label"> & { label: string; hint?: string }) {
  return <Button size={size} aria-label={label} title={hint} {...rest} />;
}

export function Spinner({ className }: { className?: string }) {
  return (
    <span
      aria-hidden="true"
      className={cx(
        "inline-block size-[1.1em] animate-spin rounded-full border-2 border-current border-r-transparent",
        className,
      )}
    />
  );
}
