#!/bin/sh
# Plan, deploy or destroy with Terraform, from any folder: `infra/deploy.sh plan|deploy|destroy [PROJECT]`.
# PROJECT overrides project_id of infra/root/terraform.tfvars. CONFIRM=PROJECT answers the question before a change.
set -eu
cd "$(dirname "$0")/root"

action=${1-} project=${2-}
settings=terraform.tfvars

fail() {
  printf '%s\n' "$@" >&2
  exit 2
}

case $action in
plan | deploy | destroy) ;;
*) fail "usage: infra/deploy.sh plan|deploy|destroy [PROJECT]" ;;
esac
command -v terraform >/dev/null 2>&1 ||
  fail "Terraform is not installed: https://developer.hashicorp.com/terraform/install (1.9 or newer)."

# infra/ was once the root itself: what is left there would be ignored, and everything deployed a second time.
for left in ../*.tfvars ../*.tfstate ../*.tfstate.* ../backend.tf ../.terraform.lock.hcl ../.terraform/environment \
  ../.terraform/terraform.tfstate; do
  case $left in
  "../example.tfvars") continue ;;
  ../.terraform/*) to=infra/root/.terraform/ ;;
  *) to=infra/root/ ;;
  esac
  [ ! -e "$left" ] || moves="${moves-}
  mkdir -p $to && mv -n infra/${left#../} $to"
done
[ -z "${moves-}" ] || fail "The folder to deploy from is infra/root. Move the settings and the state there:$moves"
[ -f "$settings" ] ||
  fail "There is no infra/root/$settings, which says what to deploy. Copy the example and edit it:" \
    "  cp infra/example.tfvars infra/root/$settings"
: "${project:=$(sed -n 's/^project_id *= *"\([^"]*\)".*/\1/p' "$settings")}"
[ -n "$project" ] || fail "Which project? Set project_id in infra/root/$settings, or write: make $action PROJECT=my-project-1"

terraform init -input=false -no-color >init.log || {
  cat init.log >&2
  fail "terraform init failed."
}
rm -f init.log

# A state knows one project. With another one Terraform would take the first installation away.
deployed=$(terraform output -raw project_id 2>/dev/null) || deployed=
case $deployed in
'' | "$project" | *[!a-z0-9-]*) ;;
*) fail "This state is of project $deployed, not of $project. Use a state for each project:" \
  "  terraform -chdir=infra/root workspace new $project" ;;
esac

confirmed() {
  [ "${CONFIRM-}" != "$project" ] || return 0
  printf '%s\nType the project id to go on: ' "$1"
  read -r answer || answer=
  [ "$answer" = "$project" ] || fail "" "Nothing was changed."
}

case $action in
plan)
  exec terraform plan -input=false -var "project_id=$project"
  ;;
deploy)
  if [ "${CONFIRM-}" = "$project" ]; then
    terraform apply -input=false -auto-approve -var "project_id=$project"
  else
    terraform apply -var "project_id=$project"
  fi
  ;;
destroy)
  if [ "$(terraform output -raw deletes_data 2>/dev/null)" = true ]; then
    confirmed "This takes spotkeeper out of $project AND DELETES ITS DATA (delete_data = true)."
  else
    confirmed "This takes spotkeeper out of $project. The dataset and its tables stay; adopt_data = true comes back to them."
    # Out of the state first, else Terraform refuses at the tables, half-way. A state from before infra/root has them
    # outside of the module.
    for address in module.spotkeeper.google_bigquery_dataset.costs module.spotkeeper.google_bigquery_table.recorded \
      google_bigquery_dataset.costs google_bigquery_table.recorded; do
      if terraform state list "$address" 2>/dev/null | grep -q .; then
        terraform state rm "$address"
      fi
    done
  fi
  terraform destroy -input=false -auto-approve -var "project_id=$project"
  ;;
esac
