import { useId } from "react";
import { cx } from "@/lib/cx";

/** One of a few, all in sight: native radios that look like one switch. */
export function Segmented<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}) {
  const name = useId();
  return (
    <fieldset>
      <legend className="mb-1.5 font-semibold text-sm">{label}</legend>
      <div className="inline-flex max-w-full flex-wrap rounded-md border border-line bg-sunken p-1">
        {options.map((option) => (
          <label
            key={option.value}
            className={cx(
              // Holds the unseen input in its place: whoever focuses it is not scrolled elsewhere.
              "relative cursor-pointer rounded-sm px-3.5 py-1.5 font-semibold text-sm transition-colors has-focus-visible:outline-2 has-focus-visible:outline-[var(--focus)]",
              option.value === value ? "bg-raised text-text shadow-sm" : "text-soft hover:text-text",
            )}
          >
            <input
              type="radio"
              name={name}
              className="sr-only"
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            {option.label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
