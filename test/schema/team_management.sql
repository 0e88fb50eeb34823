-- The tables that the guide of pack team_management lists, as the pack makes them and, those that are the product's own, with no more than
-- a key and what the pack's tables have to do with them. What is exported of it is the baseline of the pack:
-- packs/team_management_baseline.sql.
SELECT FROM reconcile.install_pack('team_management');
CREATE TABLE public.activity_logs (id text PRIMARY KEY);
CREATE TABLE public.admins (id text PRIMARY KEY);
CREATE TABLE public.onboarding_applications (id text PRIMARY KEY);
CREATE TABLE public.customer_users (id text PRIMARY KEY);
CREATE TABLE public.plans (id text PRIMARY KEY);
CREATE TABLE public.subscriptions (id text PRIMARY KEY);
CREATE TABLE public.invoices (id text PRIMARY KEY);
CREATE TABLE public.payments (id text PRIMARY KEY);
CREATE TABLE public.developer_projects (
	id text PRIMARY KEY,
	"customerId" text NOT NULL REFERENCES public.customers ON DELETE CASCADE,
	"developerId" text NOT NULL REFERENCES public.users);
CREATE TABLE public.project_budgets (id text PRIMARY KEY);
CREATE TABLE public.budget_line_items (id text PRIMARY KEY);
CREATE TABLE public.project_expenses (id text PRIMARY KEY);
CREATE TABLE public.project_invoices (id text PRIMARY KEY);
CREATE TABLE public.purchase_orders (id text PRIMARY KEY);
CREATE TABLE public.vendors (id text PRIMARY KEY);
CREATE TABLE public.project_milestones (id text PRIMARY KEY);
CREATE TABLE public.project_forecasts (id text PRIMARY KEY);
CREATE TABLE public.storage_transactions (id text PRIMARY KEY);
CREATE TABLE public.invoice_approval_workflows (
	id text PRIMARY KEY,
	customer_id text NOT NULL REFERENCES public.customers ON DELETE CASCADE,
	name text NOT NULL,
	UNIQUE (customer_id, name));
CREATE TABLE public.notifications (id uuid PRIMARY KEY);
CREATE TABLE public.email_queue (id uuid PRIMARY KEY);
CREATE TABLE public.notification_logs (id uuid PRIMARY KEY);
