// Plans and payments, as the API tells them: shapes, questions with their cache keys, and what is done to them.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { once } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";
import { upload } from "@/lib/upload";

export type Plan = Schemas["Plan"];
export type PlanName = Schemas["PlanName"];
export type Payment = Schemas["Payment"];
export type PaymentStatus = Schemas["PaymentStatus"];
export type PaymentMethod = Schemas["PaymentMethod"];
export type PendingPayment = Schemas["PendingPayment"];
export type PlanTerm = Schemas["PlanTerm"];

export const PAYMENTS = ["payments"] as const;
export const PROOF_MIB_MAX = 5;
export const PROOF_TYPES = "image/png,image/jpeg,image/webp,image/gif";
const PAGE = 20;
/** The socket tells at once; this heals what it missed. */
const POLL_MS = 10_000;

/** Something may still become of it. */
export const isOpen = (status: PaymentStatus) =>
  status === "pending" || status === "submitted" || status === "asked_again";

export const plans = () =>
  queryOptions({
    queryKey: [...PAYMENTS, "plans"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/plans", { signal })),
  });

export const subscription = () =>
  queryOptions({
    queryKey: [...PAYMENTS, "subscription"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/subscription", { signal })),
  });

export const payments = () =>
  infiniteQueryOptions({
    queryKey: [...PAYMENTS, "list"],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/payments", {
          params: { query: { limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const payment = (id: string) =>
  queryOptions({
    queryKey: [...PAYMENTS, "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/payments/{id}", { params: { path: { id } }, signal })),
    refetchInterval: (query) => (query.state.data && isOpen(query.state.data.status) ? POLL_MS : false),
  });

export const PENDING_STATES = ["submitted", "pending", "asked_again"] as const;
export type PendingState = (typeof PENDING_STATES)[number];

export const pending = (status: PendingState) =>
  infiniteQueryOptions({
    queryKey: [...PAYMENTS, "pending", status],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/payments/pending", {
          params: { query: { status, limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    refetchInterval: POLL_MS,
  });

export const begin = (plan: PlanName, payment_method: PaymentMethod) => {
  const body = { plan, payment_method };
  return once(["payments", body], (header) =>
    unwrap(api.POST("/api/v1/payments/subscriptions", { params: { header }, body })),
  );
};

const at = (id: string) => ({ params: { path: { id } } });
export const cancel = (id: string) => unwrap(api.POST("/api/v1/payments/{id}/cancel", at(id)));

export const approve = (id: string, amount_minor: number) =>
  once(["payments", id, "approve", amount_minor], (header) =>
    unwrap(
      api.POST("/api/v1/payments/{id}/approve", { params: { path: { id }, header }, body: { amount_minor } }),
    ),
  );
export const reject = (id: string, reason: string) =>
  once(["payments", id, "reject", reason], (header) =>
    unwrap(api.POST("/api/v1/payments/{id}/reject", { params: { path: { id }, header }, body: { reason } })),
  );
export const askAgain = (id: string, reason: string) =>
  once(["payments", id, "ask-again", reason], (header) =>
    unwrap(
      api.POST("/api/v1/payments/{id}/ask-again", { params: { path: { id }, header }, body: { reason } }),
    ),
  );

export type Proof = { file: File; payer: string; amountMinor: number | null; transfer: string };

/** Sends a proof. What is said of it stands before the picture, as the server reads it. */
export function prove(id: string, proof: Proof, onProgress: (share: number) => void): Promise<Payment> {
  const form = new FormData();
  if (proof.payer.trim()) form.set("payer", proof.payer.trim());
  if (proof.amountMinor !== null) form.set("amount_minor", String(proof.amountMinor));
  if (proof.transfer.trim()) form.set("transfer", proof.transfer.trim());
  form.set("file", proof.file);
  return upload<Payment>(`/api/v1/payments/${id}/proof`, form, onProgress);
}
