//! Who calls: nothing behind a route is reached without a token that has the route's scope.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use heimdex_auth::{Claims, Scope};

use crate::Gateway;
use crate::limits::{Kind, Left};
use crate::problem::Problem;

/// What a route needs of its caller.
pub(crate) trait Needs: Send + Sync + 'static {
    const SCOPE: Scope;
    const KIND: Kind;
}

macro_rules! needs {
    ($($name:ident: $scope:ident, $kind:ident;)*) => {
        $(pub(crate) struct $name;
        impl Needs for $name {
            const SCOPE: Scope = Scope::$scope;
            const KIND: Kind = Kind::$kind;
        })*
    };
}

needs! {
    Searching: Search, Search;
    Embedding: Ingest, Embed;
    Uploading: Ingest, Assets;
    Watching: Ingest, Jobs;
}

/// The claims of a caller who may use the route, and has not used it too often.
pub(crate) struct Caller<N> {
    claims: Claims,
    left: Left,
    route: PhantomData<N>,
}

impl<N> Deref for Caller<N> {
    type Target = Claims;
    fn deref(&self) -> &Claims {
        &self.claims
    }
}

impl<N> Caller<N> {
    /// Adds to an answer what the caller has left.
    pub fn answer(&self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        self.left.write(response.headers_mut());
        response
    }
}

impl<N: Needs> FromRequestParts<Gateway> for Caller<N> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Response> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let claims = gateway.inner.verifier.verify_header(header).await;
        let claims = claims.and_then(|claims| claims.require(N::SCOPE).map(|()| claims));
        let claims = claims.map_err(|error| Problem::from(error).into_response())?;
        match gateway.inner.limits.take(N::KIND, &claims.org) {
            Ok(left) => Ok(Self { claims, left, route: PhantomData }),
            Err((problem, left)) => {
                let mut refusal = problem.into_response();
                left.write(refusal.headers_mut());
                Err(refusal)
            }
        }
    }
}
