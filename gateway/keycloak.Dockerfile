# Keycloak with its options built in, so that it starts on a read-only file system.
# checkov:skip=CKV_DOCKER_2:docker-compose.yml has the check, with what it takes to start
ARG KEYCLOAK_VERSION=26.7.3
FROM quay.io/keycloak/keycloak:${KEYCLOAK_VERSION}
RUN /opt/keycloak/bin/kc.sh build --db=postgres --health-enabled=true --http-relative-path=/auth
USER 1000:0
