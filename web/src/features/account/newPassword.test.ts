import type { TFunction } from "i18next";
import { describe, expect, it } from "vitest";
import { ApiError } from "@/api/errors";
import { passwordFault, refusal } from "./newPassword";

const t = ((key: string) => key) as TFunction;

describe("a new password", () => {
  it("is as long as the server wants it, counted as the server counts", () => {
    expect(passwordFault(t, "1234567")).toBe("auth.password_rule");
    expect(passwordFault(t, "12345678")).toBeNull();
    expect(passwordFault(t, "😀😀😀😀")).toBe("auth.password_rule");
  });

  it("has its refusal beside it, and others elsewhere", () => {
    const weak = new ApiError({
      status: 422,
      code: "request.invalid",
      fields: [{ field: "new_password", message: "is too easy to guess" }],
    });
    expect(refusal(t, weak)).toEqual({ field: "is too easy to guess", other: null });
    const slow = new ApiError({ status: 429, code: "auth.throttled" });
    expect(refusal(t, slow)).toEqual({ field: null, other: "errors.throttled" });
    expect(refusal(t, null)).toEqual({ field: null, other: null });
  });
});
