// One error type for everything the API, the network or the socket can refuse.
/** A refusal as it comes over the wire: a proxy in between may have written it, so nothing is certain. */
type ProblemBody = {
  code?: unknown;
  title?: string;
  detail?: string | null;
  request_id?: string | null;
  errors?: FieldError[];
};

export type FieldError = { field: string; message: string };

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string | null;
  readonly fields: FieldError[];
  readonly requestId: string | null;
  readonly retryAfterS: number | null;

  constructor(init: {
    status: number;
    code: string;
    detail?: string | null;
    fields?: FieldError[];
    requestId?: string | null;
    retryAfterS?: number | null;
  }) {
    super(init.detail ?? init.code);
    this.name = "ApiError";
    this.status = init.status;
    this.code = init.code;
    this.detail = init.detail ?? null;
    this.fields = init.fields ?? [];
    this.requestId = init.requestId ?? null;
    this.retryAfterS = init.retryAfterS ?? null;
  }

  /** The request never got an answer. */
  get isNetwork(): boolean {
    return this.status === 0;
  }

  static of(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    return new ApiError({
      status: 0,
      code: "network",
      detail: error instanceof Error ? error.message : null,
    });
  }

  static fromResponse(response: Response, body: unknown): ApiError {
    const problem = (typeof body === "object" && body !== null ? body : {}) as ProblemBody;
    const retry = Number(response.headers.get("retry-after"));
    return new ApiError({
      status: response.status,
      code: typeof problem.code === "string" ? problem.code : `http.${response.status}`,
      detail: problem.detail ?? problem.title ?? null,
      fields: Array.isArray(problem.errors) ? problem.errors : [],
      requestId: problem.request_id ?? response.headers.get("x-request-id"),
      retryAfterS: Number.isFinite(retry) && retry > 0 ? retry : null,
    });
  }
}
