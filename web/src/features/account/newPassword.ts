// What a new password has to be before the server is asked, and what the server says of it.
import { queryOptions } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import { errorText } from "@/i18n/errorText";

export const PASSWORD_MIN = 8;

export const authOptions = () =>
  queryOptions({
    queryKey: ["auth", "options"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/auth/options", { signal })),
    staleTime: 5 * 60_000,
  });

/** Why a new password cannot be sent, if it cannot. As long as it was not submitted, nothing is said. */
export function passwordFault(t: TFunction, password: string): string | null {
  return [...password].length >= PASSWORD_MIN ? null : t("auth.password_rule", { count: PASSWORD_MIN });
}

/** The server's refusal, told apart: what is wrong with the new password, and everything else. */
export function refusal(t: TFunction, thrown: unknown): { field: string | null; other: string | null } {
  if (!thrown) return { field: null, other: null };
  const field = ApiError.of(thrown).fields.find((one) => one.field === "new_password")?.message ?? null;
  return { field, other: field ? null : errorText(t, thrown) };
}
