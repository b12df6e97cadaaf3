"""What stands before the emulators for a trial: TLS, a login with a token, and gRPC where the real services have it.

The emulators are reached without either. The front asks every caller for the token that its own token endpoint gives
out, as Google does, keeps a record of each call, and refuses those of a permission or a quota project that is denied.
"""

import asyncio
import json
import secrets
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import urllib3
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import asset_v1, billing_v1
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.emulators.cloud import Cloud
from infra.local.emulators.sockets import HOST, listening

MONITORING = "/google.monitoring.v3.MetricService/"
ASSETS = "/google.cloud.asset.v1.AssetService/BatchGetAssetsHistory"
CATALOG = "/google.cloud.billing.v1.CloudCatalog/ListSkus"
QUOTA_PROJECT = "x-goog-user-project"
TOKEN_PATH = "/v1/oauthtoken"  # noqa: S105 (a path)
CLIENT_ID, REFRESH_TOKEN = "client.example.com", "refresh-token"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of this machine's address, signed by itself."""

    key: Path
    chain: Path


def certificate(folder: Path, now: Any) -> Certificate:  # noqa: ANN401 (a datetime)
    """Make a key and a certificate for the address of this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "key.pem", folder / "certificate.pem")
    made.chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@dataclass(slots=True)
class Front:
    """The front, running inside a `with` block.

    `calls` are the calls with a good token, REST as `METHOD path` and gRPC by full name; `denied` maps the beginnings
    of such calls to the message of a 403; `children` maps a parent to its projects and folders as Resource Manager has
    them.
    """

    cloud: Cloud
    made: Certificate
    calls: list[str] = field(default_factory=list)
    denied: dict[str, str] = field(default_factory=dict)
    denied_quota_projects: set[str] = field(default_factory=set)
    quota_projects: set[str] = field(default_factory=set)
    children: Mapping[str, Mapping[str, list[dict[str, str]]]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    rest: str = ""
    grpc_target: str = ""
    _stop: list[Callable[[], object]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Serve REST and gRPC on free ports."""
        self._serve_rest()
        self._serve_grpc()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        for stop in reversed(self._stop):
            stop()

    def environment(self, folder: Path, quota_project: str | None = None) -> dict[str, str]:
        """Return the variables with which the product calls the front: its addresses, a login, and trust in it.

        `certifi` in the folder stands for the trust store of a machine that knows the certificate.
        """
        login = folder / "login.json"
        described = {
            "type": "external_account_authorized_user",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/POOL/providers/PROVIDER",
            "client_id": CLIENT_ID,
            "client_secret": "secret",
            "refresh_token": REFRESH_TOKEN,
            "token_url": f"{self.rest}{TOKEN_PATH}",
            **({"quota_project_id": quota_project} if quota_project else {}),
        }
        login.write_text(json.dumps(described))
        trust = folder / "trust"
        trust.mkdir(exist_ok=True)
        (trust / "certifi.py").write_text(f"def where():\n    return {str(self.made.chain)!r}\n")
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(login),
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.made.chain),
            "REQUESTS_CA_BUNDLE": str(self.made.chain),
            "PYTHONPATH": str(trust),
            "COMPUTE_ENDPOINT": self.rest,
            "LOGGING_ENDPOINT": self.rest,
            "RESOURCE_MANAGER_ENDPOINT": self.rest,
            "MONITORING_ENDPOINT": self.grpc_target,
            "BILLING_ENDPOINT": self.grpc_target,
            "ASSETS_ENDPOINT": self.grpc_target,
        }

    def refusal(self, call: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Return the HTTP status of a refusal and its message, 200 for a call that may be passed on, which is kept."""
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return HTTPStatus.UNAUTHORIZED, "Request had invalid authentication credentials."
        self.calls.append(call)
        quota_project = headers.get(QUOTA_PROJECT)
        if quota_project:
            self.quota_projects.add(quota_project)
        if quota_project in self.denied_quota_projects:
            message = (
                f"Caller does not have required permission to use project {quota_project}. Grant the caller the "
                "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use "
                "permission."
            )
            return HTTPStatus.FORBIDDEN, message
        message = next((message for start, message in self.denied.items() if call.startswith(start)), "")
        return (HTTPStatus.FORBIDDEN, message) if message else (HTTPStatus.OK, "")

    def _serve_rest(self) -> None:
        listener, address = listening()
        self.rest = address.replace("http://", "https://")
        every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        application = Starlette(
            routes=[
                Route(TOKEN_PATH, self._give_token, methods=["POST"]),
                Route("/v3/{kind:str}", self._list_children, methods=["GET"]),
                Route("/{path:path}", self._pass_on, methods=every),
            ]
        )
        configuration = uvicorn.Config(
            application,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            ssl_certfile=self.made.chain,
            ssl_keyfile=self.made.key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        server = uvicorn.Server(configuration)
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),), daemon=True)
        thread.start()

        def stop() -> None:
            server.should_exit = True
            thread.join()

        self._stop.append(stop)

    async def _give_token(self, request: Request) -> Response:
        form = (await request.body()).decode()
        if f"refresh_token={REFRESH_TOKEN}" not in form:
            return JSONResponse({"error": "invalid_grant", "error_description": "Bad Request"}, 400)
        token = secrets.token_urlsafe()
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    async def _list_children(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        status, message = self.refusal(f"GET {request.url.path}", request.headers)
        if status != HTTPStatus.OK:
            return _error(status, message)
        found = self.children.get(request.query_params.get("parent", ""), {}).get(kind, [])
        # One to a page: the caller has to turn it.
        start = int(request.query_params.get("pageToken", "0"))
        more = {"nextPageToken": str(start + 1)} if start + 1 < len(found) else {}
        return JSONResponse({kind: found[start : start + 1], **more})

    async def _pass_on(self, request: Request) -> Response:
        status, message = self.refusal(f"{request.method} {request.url.path}", request.headers)
        if status != HTTPStatus.OK:
            return _error(status, message)
        body = await request.body()
        address = f"{self.cloud.rest_url}{request.url.path}?{request.url.query}"
        answer = await asyncio.to_thread(
            urllib3.request, request.method, address, body=body or None, retries=False, timeout=60
        )
        return Response(answer.data, answer.status, media_type="application/json")

    def _serve_grpc(self) -> None:
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        behind = grpc.insecure_channel(self.cloud.grpc_target, options=unlimited)
        options: dict[str, Any] = {
            "credentials": AnonymousCredentials(),
            "transport": "rest",
            "client_options": {"api_endpoint": self.cloud.rest_url},
        }
        catalog, assets = billing_v1.CloudCatalogClient(**options), asset_v1.AssetServiceClient(**options)

        def list_skus(request: bytes) -> bytes:
            decoded = billing_v1.ListSkusRequest.deserialize(request)
            page: Any = next(iter(catalog.list_skus(request=decoded, retry=None).pages))
            return bytes(billing_v1.ListSkusResponse.serialize(page))

        def history(request: bytes) -> bytes:
            decoded = asset_v1.BatchGetAssetsHistoryRequest.deserialize(request)
            answer = assets.batch_get_assets_history(request=decoded, retry=None)
            return bytes(asset_v1.BatchGetAssetsHistoryResponse.serialize(answer))

        def handler(details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
            name = str(details.method)
            known = {CATALOG: list_skus, ASSETS: history}
            act = behind.unary_unary(name, bytes, bytes) if name.startswith(MONITORING) else known.get(name)
            if act is None:
                return None
            headers = {str(key): str(value) for key, value in details.invocation_metadata}

            def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
                status, message = self.refusal(name, headers)
                if status != HTTPStatus.OK:
                    denied = status == HTTPStatus.FORBIDDEN
                    code = grpc.StatusCode.PERMISSION_DENIED if denied else grpc.StatusCode.UNAUTHENTICATED
                    context.abort(code, message)
                try:
                    return act(request)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details() or "")
                except GoogleAPICallError as error:
                    context.abort(error.grpc_status_code or grpc.StatusCode.INVALID_ARGUMENT, error.message)
                raise AssertionError

            return grpc.unary_unary_rpc_method_handler(answer)

        server = grpc.server(ThreadPoolExecutor(16), options=unlimited)
        server.add_generic_rpc_handlers([_Every(handler)])
        credentials = grpc.ssl_server_credentials([(self.made.key.read_bytes(), self.made.chain.read_bytes())])
        self.grpc_target = f"{HOST}:{server.add_secure_port(f'{HOST}:0', credentials)}"
        server.start()
        self._stop += [behind.close, lambda: server.stop(grace=1).wait()]


class _Every(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # has no arguments at run time
    """All methods of all services, by one function."""

    def __init__(self, handler: Callable[[grpc.HandlerCallDetails], Any]) -> None:
        self._handler = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 (a handler or None)
        return self._handler(handler_call_details)


def _error(status: int, message: str) -> Response:
    name = "PERMISSION_DENIED" if status == HTTPStatus.FORBIDDEN else "UNAUTHENTICATED"
    return JSONResponse({"error": {"code": status, "message": message, "status": name}}, status)
