package proxy

// Code is the stable name of an error that the gateway answers itself; it stands in the
// Cloakroom-Error header and in the problem body's code.
type Code string

// The codes. Their status is in the table of problem.go and nowhere else.
const (
	NoSession            Code = "no_session"
	SessionExpired       Code = "session_expired"
	InteractionRequired  Code = "interaction_required"
	StepUpRequired       Code = "step_up_required"
	BadRequest           Code = "bad_request"
	LoginFailed          Code = "login_failed"
	CSRFFailed           Code = "csrf_failed"
	AccessDenied         Code = "access_denied"
	InsufficientScope    Code = "insufficient_scope"
	ClaimRequired        Code = "claim_required"
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	BodyTooLarge         Code = "body_too_large"
	RefreshThrottled     Code = "refresh_throttled"
	UpstreamUnreachable  Code = "upstream_unreachable"
	ScopeNotAvailable    Code = "scope_not_available"
	WrongAudience        Code = "wrong_audience"
	IDPUnavailable       Code = "idp_unavailable"
	StoreUnavailable     Code = "store_unavailable"
	GatewayMisconfigured Code = "gateway_misconfigured"
	UpstreamTimeout      Code = "upstream_timeout"
)
