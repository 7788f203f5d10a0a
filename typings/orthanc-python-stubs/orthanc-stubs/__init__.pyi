"""The `orthanc` module of Orthanc's Python plugin, as far as a door may use it.

Types are those seen in the running module of plugin 4.0 (Orthanc 1.10.1); later plugins add to them.
Every function takes its arguments by position only. Enumerations are classes with plain `int` members,
and callbacks are handed plain `int`. A failing call raises `OrthancException`.
"""

from collections.abc import Callable
from typing import overload

class OrthancException(Exception):
    """`args` is `(error code, description)`; the code is one of `ErrorCode`."""

# Enumerations ---------------------------------------------------------------------------------------

class ChangeType:
    COMPLETED_SERIES: int
    DELETED: int
    NEW_CHILD_INSTANCE: int
    NEW_INSTANCE: int
    NEW_PATIENT: int
    NEW_SERIES: int
    NEW_STUDY: int
    STABLE_PATIENT: int
    STABLE_SERIES: int
    STABLE_STUDY: int
    ORTHANC_STARTED: int
    ORTHANC_STOPPED: int
    UPDATED_ATTACHMENT: int
    UPDATED_METADATA: int
    UPDATED_PEERS: int
    UPDATED_MODALITIES: int
    JOB_SUBMITTED: int
    JOB_SUCCESS: int
    JOB_FAILURE: int

class ErrorCode:
    INTERNAL_ERROR: int
    SUCCESS: int
    PLUGIN: int
    NOT_IMPLEMENTED: int
    PARAMETER_OUT_OF_RANGE: int
    BAD_PARAMETER_TYPE: int
    BAD_SEQUENCE_OF_CALLS: int
    INEXISTENT_ITEM: int
    BAD_REQUEST: int
    NETWORK_PROTOCOL: int
    INEXISTENT_FILE: int
    BAD_FILE_FORMAT: int
    TIMEOUT: int
    UNKNOWN_RESOURCE: int
    FULL_STORAGE: int
    UNAUTHORIZED: int
    DATABASE_NOT_INITIALIZED: int
    """What every REST call raises while the script is loaded: wait for `ChangeType.ORTHANC_STARTED`."""

class HttpMethod:
    """What an incoming-request filter is handed; a REST callback is handed the method's name instead."""

    GET: int
    POST: int
    PUT: int
    DELETE: int

class MetricsType:
    DEFAULT: int
    TIMER: int

class ResourceType:
    PATIENT: int
    STUDY: int
    SERIES: int
    INSTANCE: int
    NONE: int

# REST callbacks -------------------------------------------------------------------------------------

class RestOutput:
    """The answer to one request; exactly one of its answering methods may be called."""

    def AnswerBuffer(self, body: str | bytes, mime_type: str, /) -> None: ...
    def Redirect(self, location: str, /) -> None: ...
    @overload
    def SendHttpStatus(self, status: int, body: str, body_size_bytes: int, /) -> None:
        """Before plugin 4.2: the body must be `str`, and its size is that of its UTF-8 bytes."""
    @overload
    def SendHttpStatus(self, status: int, body: str | bytes, /) -> None:
        """From plugin 4.2; earlier ones raise TypeError."""
    def SendHttpStatusCode(self, status: int, /) -> None:
        """An answer without a body."""
    def SendMethodNotAllowed(self, allowed_methods: str, /) -> None: ...
    def SendUnauthorized(self, realm: str, /) -> None: ...
    def SetCookie(self, cookie: str, value: str, /) -> None: ...
    def SetHttpErrorDetails(self, details: str, log: int, /) -> None: ...
    def SetHttpHeader(self, name: str, value: str, /) -> None: ...

def RegisterRestCallback(uri_pattern: str, callback: Callable[..., object], /) -> None:
    """The callback is called as `callback(output, uri, **request)`.

    The pattern is a regular expression for the whole path. The keywords of `request`:
    `method` ("GET", "POST", "PUT" or "DELETE"), `groups` (tuple of str, the pattern's groups),
    `headers` (dict, names in lower case), `get` (dict of the query, only for GET),
    `body` (bytes, only for POST and PUT).
    """

def RegisterIncomingHttpRequestFilter(callback: Callable[..., bool], /) -> None:
    """The callback is called as `callback(uri, **request)`; False refuses the request.

    The keywords of `request`: `method` (int, of `HttpMethod`), `ip` (str),
    `headers` (dict, names in lower case), `get` (dict of the query, only for GET).
    """

def RegisterOnChangeCallback(callback: Callable[[int, int, str], object], /) -> None:
    """The callback is called as `callback(change_type, resource_type, orthanc_id)`.

    The identifier is empty for changes that concern no resource, such as `ORTHANC_STARTED`.
    """

# Orthanc's own REST interface -----------------------------------------------------------------------

def GenerateRestApiAuthorizationToken() -> str:
    """A value for the Authorization header, good until Orthanc stops."""

def RestApiGet(uri: str, /) -> bytes: ...
def RestApiGetAfterPlugins(uri: str, /) -> bytes: ...
def RestApiPost(uri: str, body: str | bytes, /) -> bytes: ...
def RestApiPostAfterPlugins(uri: str, body: str | bytes, /) -> bytes: ...
def RestApiPut(uri: str, body: str | bytes, /) -> bytes: ...
def RestApiPutAfterPlugins(uri: str, body: str | bytes, /) -> bytes: ...
def RestApiDelete(uri: str, /) -> None: ...
def RestApiDeleteAfterPlugins(uri: str, /) -> None: ...

# The running server ---------------------------------------------------------------------------------

def CheckVersionAdvanced(major: int, minor: int, revision: int, /) -> int:
    """1 if Orthanc is at least that version, else 0."""

def GetConfiguration() -> str:
    """The whole configuration as JSON."""

def GetConfigurationPath() -> str: ...
def GetOrthancDirectory() -> str: ...
def GetOrthancPath() -> str: ...
def GetErrorDescription(error_code: int, /) -> str: ...
def GetGlobalProperty(number: int, default: str, /) -> str: ...
def SetGlobalProperty(number: int, value: str, /) -> None: ...
def SetMetricsValue(name: str, value: float, metrics_type: int, /) -> None: ...
def LogInfo(message: str, /) -> None: ...
def LogWarning(message: str, /) -> None: ...
def LogError(message: str, /) -> None: ...

# Orthanc Explorer -----------------------------------------------------------------------------------

def ExtendOrthancExplorer(javascript: str, /) -> None: ...
def SetDescription(description: str, /) -> None: ...
def SetRootUri(uri: str, /) -> None: ...
