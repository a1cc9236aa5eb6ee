import { Eye, EyeOff } from "lucide-react";
import { type ComponentProps, useState } from "react";
import { useTranslation } from "react-i18next";
import { TextField } from "./field";

/** A password that can be looked at while it is typed. */
export function PasswordField({ aside: _, type: __, ...rest }: ComponentProps<typeof TextField>) {
  const { t } = useTranslation();
  const [isShown, setShown] = useState(false);
  const Icon = isShown ? EyeOff : Eye;
  return (
    <TextField
      {...rest}
      type={isShown ? "text" : "password"}
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      aside={
        <button
          type="button"
          aria-label={t(isShown ? "auth.hide_password_of" : "auth.show_password_of", { field: rest.label })}
          onClick={() => setShown(!isShown)}
          className="inline-flex items-center gap-1 rounded-sm px-1 text-soft hover:text-text"
          data-testid="show-password"
        >
          <Icon aria-hidden="true" className="size-3.5" />
          {t(isShown ? "auth.hide_password" : "auth.show_password")}
        </button>
      }
    />
  );
}
