import { type ComponentProps, type ReactNode, useId } from "react";
import { cx } from "@/lib/cx";

const control =
  "w-full rounded-md border border-line-strong/70 bg-field px-3.5 text-text placeholder:text-faint " +
  "transition-colors hover:border-line-strong focus-visible:border-melt aria-invalid:border-danger";

export const inputClass = cx(control, "h-11");

type FieldProps = {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  /** Shown at the label's right, such as a character count. */
  aside?: ReactNode;
};

type Wired = { id: string; "aria-invalid": boolean | undefined; "aria-describedby": string | undefined };

function Wrap({
  label,
  hint,
  error,
  aside,
  children,
}: FieldProps & { children: (wired: Wired) => ReactNode }) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div className="flex flex-col gap-1.5">
      <div className="flex items-baseline justify-between gap-3">
        <label htmlFor={id} className="font-semibold text-sm">
          {label}
        </label>
        {aside && <span className="tabular text-faint text-xs">{aside}</span>}
      </div>
      {children({
        id,
        "aria-invalid": error ? true : undefined,
        "aria-describedby": described || undefined,
      })}
      {hint && (
        <p id={`${id}-hint`} className="text-faint text-sm">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="text-danger text-sm" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

export function TextField({
  label,
  hint,
  error,
  aside,
  className,
  ...rest
}: FieldProps & ComponentProps<"input">) {
  return (
    <Wrap label={label} hint={hint} error={error} aside={aside}>
      {(wired) => <input {...wired} {...rest} className={cx(inputClass, className)} />}
    </Wrap>
  );
}

export function TextArea({
  label,
  hint,
  error,
  aside,
  className,
  ...rest
}: FieldProps & ComponentProps<"textarea">) {
  return (
    <Wrap label={label} hint={hint} error={error} aside={aside}>
      {(wired) => (
        <textarea {...wired} {...rest} className={cx(control, "min-h-24 resize-y py-2.5", className)} />
      )}
    </Wrap>
  );
}

/** The platform's own list: it is right on every phone and with every reader. */
export function SelectField({
  label,
  hint,
  error,
  className,
  children,
  ...rest
}: Omit<FieldProps, "aside"> & ComponentProps<"select">) {
  return (
    <Wrap label={label} hint={hint} error={error}>
      {(wired) => (
        <select {...wired} {...rest} className={cx(inputClass, "appearance-auto pr-2", className)}>
          {children}
        </select>
      )}
    </Wrap>
  );
}
