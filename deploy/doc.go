// Package deploy holds the ways to run the gateway, and the tests that keep them true.
//
//	helm/cloakroom   the chart: in front of an app, beside an ingress, in a pod with the app
//	kubernetes       the same without Helm, to read and to change
//	compose          one machine with Docker
//	systemd          one machine without
//	grafana          a dashboard
//	prometheus       alert rules
//
// The tests render the chart in each mode, hold every manifest against the schemas of
// Kubernetes and of the ingresses, and give each config.yaml that is in one to the real
// binary, so that a key that changes its name cannot be forgotten here. Queries and rules meet
// scrapes of a gateway that lives through an outage, in Prometheus' own engine. The tests need
// their build tag; Helm, the validators and Prometheus are Go modules in tools/.
//
//	go test -tags e2e -count=1 ./deploy
package deploy
