"""Who gets in: nginx, oauth2-proxy, Keycloak's realm and Grafana's sign-in, rendered from templates and checked."""
