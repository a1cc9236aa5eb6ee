// Words for a refusal: by its code, else by its status, else what the server said.
import type { TFunction } from "i18next";
import { ApiError } from "@/api/errors";

export function errorText(t: TFunction, thrown: unknown): string {
  const error = ApiError.of(thrown);
  const seconds = Math.ceil(error.retryAfterS ?? 0);
  const byCode = `errors.code.${error.code.replaceAll(".", "_").replaceAll("-", "_")}`;
  const has = (key: string) => t(key as never, { defaultValue: "" }) !== "";
  if (error.isNetwork) return t("errors.network");
  if (error.status === 429)
    return seconds > 0 ? t("errors.throttled_for", { seconds }) : t("errors.throttled");
  if (has(byCode)) return t(byCode as never, { seconds }) as string;
  if (error.status >= 500) return t("errors.server");
  if (error.status === 401) return t("errors.unauthenticated");
  if (error.status === 403) return t("errors.forbidden");
  if (error.status === 404) return t("errors.not_found");
  return error.detail ?? t("errors.unknown");
}
