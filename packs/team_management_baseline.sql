-- The baseline of pack team_management: the tables of test/schema/team_management.sql, as test/pgtap/pack_baseline.sql exports them on
-- PostgreSQL 15.
INSERT INTO reconcile.pack_document (pack, baseline) VALUES ('team_management', $baseline$
{
    "seeds": {
    },
    "objects": {
        "index": {
            "public.\"users_customerId_idx\"": {
                "valid": true,
                "parent": "public.users",
                "unique": false,
                "definition": "USING btree (\"customerId\")"
            },
            "public.team_members_role_id_idx": {
                "valid": true,
                "parent": "public.team_members",
                "unique": false,
                "definition": "USING btree (role_id)"
            },
            "public.team_members_user_id_idx": {
                "valid": true,
                "parent": "public.team_members",
                "unique": false,
                "definition": "USING btree (user_id)"
            },
            "public.team_roles_customer_id_name_idx": {
                "valid": true,
                "parent": "public.team_roles",
                "unique": true,
                "definition": "USING btree (customer_id, name) NULLS NOT DISTINCT"
            },
            "public.approval_history_approval_id_idx": {
                "valid": true,
                "parent": "public.approval_history",
                "unique": false,
                "definition": "USING btree (approval_id)"
            },
            "public.invoice_approvals_customer_id_idx": {
                "valid": true,
                "parent": "public.invoice_approvals",
                "unique": false,
                "definition": "USING btree (customer_id)"
            },
            "public.invoice_attachments_customer_id_idx": {
                "valid": true,
                "parent": "public.invoice_attachments",
                "unique": false,
                "definition": "USING btree (customer_id)"
            },
            "public.notification_preferences_customer_id_idx": {
                "valid": true,
                "parent": "public.notification_preferences",
                "unique": false,
                "definition": "USING btree (customer_id)"
            },
            "public.notification_templates_customer_id_name_type_idx": {
                "valid": true,
                "parent": "public.notification_templates",
                "unique": true,
                "definition": "USING btree (customer_id, name, type) NULLS NOT DISTINCT"
            },
            "public.storage_usage_customer_id_file_type_category_idx": {
                "valid": true,
                "parent": "public.storage_usage",
                "unique": true,
                "definition": "USING btree (customer_id, file_type, category) NULLS NOT DISTINCT"
            }
        },
        "table": {
            "public.plans": {
                "kind": "table",
                "owner": ""
            },
            "public.users": {
                "kind": "table",
                "owner": ""
            },
            "public.admins": {
                "kind": "table",
                "owner": ""
            },
            "public.vendors": {
                "kind": "table",
                "owner": ""
            },
            "public.invoices": {
                "kind": "table",
                "owner": ""
            },
            "public.payments": {
                "kind": "table",
                "owner": ""
            },
            "public.customers": {
                "kind": "table",
                "owner": ""
            },
            "public.team_roles": {
                "kind": "table",
                "owner": ""
            },
            "public.email_queue": {
                "kind": "table",
                "owner": ""
            },
            "public.team_members": {
                "kind": "table",
                "owner": ""
            },
            "public.activity_logs": {
                "kind": "table",
                "owner": ""
            },
            "public.notifications": {
                "kind": "table",
                "owner": ""
            },
            "public.storage_usage": {
                "kind": "table",
                "owner": ""
            },
            "public.subscriptions": {
                "kind": "table",
                "owner": ""
            },
            "public.customer_users": {
                "kind": "table",
                "owner": ""
            },
            "public.project_budgets": {
                "kind": "table",
                "owner": ""
            },
            "public.purchase_orders": {
                "kind": "table",
                "owner": ""
            },
            "public.approval_history": {
                "kind": "table",
                "owner": ""
            },
            "public.project_expenses": {
                "kind": "table",
                "owner": ""
            },
            "public.project_invoices": {
                "kind": "table",
                "owner": ""
            },
            "public.budget_line_items": {
                "kind": "table",
                "owner": ""
            },
            "public.invoice_approvals": {
                "kind": "table",
                "owner": ""
            },
            "public.notification_logs": {
                "kind": "table",
                "owner": ""
            },
            "public.project_forecasts": {
                "kind": "table",
                "owner": ""
            },
            "public.developer_projects": {
                "kind": "table",
                "owner": ""
            },
            "public.project_milestones": {
                "kind": "table",
                "owner": ""
            },
            "public.invoice_attachments": {
                "kind": "table",
                "owner": ""
            },
            "public.storage_transactions": {
                "kind": "table",
                "owner": ""
            },
            "public.notification_templates": {
                "kind": "table",
                "owner": ""
            },
            "public.onboarding_applications": {
                "kind": "table",
                "owner": ""
            },
            "public.notification_preferences": {
                "kind": "table",
                "owner": ""
            },
            "public.invoice_approval_workflows": {
                "kind": "table",
                "owner": ""
            }
        },
        "column": {
            "public.plans.id": {
                "type": "text",
                "parent": "public.plans",
                "not_null": true,
                "position": 1
            },
            "public.users.id": {
                "type": "text",
                "parent": "public.users",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.admins.id": {
                "type": "text",
                "parent": "public.admins",
                "not_null": true,
                "position": 1
            },
            "public.users.bio": {
                "type": "text",
                "parent": "public.users",
                "not_null": false,
                "position": 3
            },
            "public.vendors.id": {
                "type": "text",
                "parent": "public.vendors",
                "not_null": true,
                "position": 1
            },
            "public.invoices.id": {
                "type": "text",
                "parent": "public.invoices",
                "not_null": true,
                "position": 1
            },
            "public.payments.id": {
                "type": "text",
                "parent": "public.payments",
                "not_null": true,
                "position": 1
            },
            "public.customers.id": {
                "type": "text",
                "parent": "public.customers",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.team_roles.id": {
                "type": "text",
                "parent": "public.team_roles",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.email_queue.id": {
                "type": "uuid",
                "parent": "public.email_queue",
                "not_null": true,
                "position": 1
            },
            "public.team_members.id": {
                "type": "text",
                "parent": "public.team_members",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.team_roles.name": {
                "type": "text",
                "parent": "public.team_roles",
                "not_null": true,
                "position": 3
            },
            "public.activity_logs.id": {
                "type": "text",
                "parent": "public.activity_logs",
                "not_null": true,
                "position": 1
            },
            "public.notifications.id": {
                "type": "uuid",
                "parent": "public.notifications",
                "not_null": true,
                "position": 1
            },
            "public.storage_usage.id": {
                "type": "text",
                "parent": "public.storage_usage",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.subscriptions.id": {
                "type": "text",
                "parent": "public.subscriptions",
                "not_null": true,
                "position": 1
            },
            "public.customer_users.id": {
                "type": "text",
                "parent": "public.customer_users",
                "not_null": true,
                "position": 1
            },
            "public.project_budgets.id": {
                "type": "text",
                "parent": "public.project_budgets",
                "not_null": true,
                "position": 1
            },
            "public.purchase_orders.id": {
                "type": "text",
                "parent": "public.purchase_orders",
                "not_null": true,
                "position": 1
            },
            "public.team_members.email": {
                "type": "text",
                "parent": "public.team_members",
                "not_null": true,
                "position": 7
            },
            "public.users.\"customerId\"": {
                "type": "text",
                "parent": "public.users",
                "not_null": false,
                "position": 2
            },
            "public.approval_history.id": {
                "type": "text",
                "parent": "public.approval_history",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.project_expenses.id": {
                "type": "text",
                "parent": "public.project_expenses",
                "not_null": true,
                "position": 1
            },
            "public.project_invoices.id": {
                "type": "text",
                "parent": "public.project_invoices",
                "not_null": true,
                "position": 1
            },
            "public.team_members.status": {
                "type": "text",
                "parent": "public.team_members",
                "default": "'active'::text",
                "not_null": true,
                "position": 8
            },
            "public.budget_line_items.id": {
                "type": "text",
                "parent": "public.budget_line_items",
                "not_null": true,
                "position": 1
            },
            "public.invoice_approvals.id": {
                "type": "text",
                "parent": "public.invoice_approvals",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.notification_logs.id": {
                "type": "uuid",
                "parent": "public.notification_logs",
                "not_null": true,
                "position": 1
            },
            "public.project_forecasts.id": {
                "type": "text",
                "parent": "public.project_forecasts",
                "not_null": true,
                "position": 1
            },
            "public.team_members.role_id": {
                "type": "text",
                "parent": "public.team_members",
                "not_null": true,
                "position": 4
            },
            "public.team_members.user_id": {
                "type": "text",
                "parent": "public.team_members",
                "not_null": false,
                "position": 3
            },
            "public.developer_projects.id": {
                "type": "text",
                "parent": "public.developer_projects",
                "not_null": true,
                "position": 1
            },
            "public.project_milestones.id": {
                "type": "text",
                "parent": "public.project_milestones",
                "not_null": true,
                "position": 1
            },
            "public.team_roles.created_at": {
                "type": "timestamp without time zone",
                "parent": "public.team_roles",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 13
            },
            "public.team_roles.updated_at": {
                "type": "timestamp without time zone",
                "parent": "public.team_roles",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 14
            },
            "public.customers.storage_used": {
                "type": "bigint",
                "parent": "public.customers",
                "default": "0",
                "not_null": true,
                "position": 2
            },
            "public.invoice_attachments.id": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "default": "(gen_random_uuid())::text",
                "not_null": true,
                "position": 1
            },
            "public.storage_usage.category": {
                "type": "text",
                "parent": "public.storage_usage",
                "not_null": false,
                "position": 4
            },
            "public.team_members.last_name": {
                "type": "text",
                "parent": "public.team_members",
                "not_null": true,
                "position": 6
            },
            "public.team_roles.customer_id": {
                "type": "text",
                "parent": "public.team_roles",
                "not_null": false,
                "position": 2
            },
            "public.team_roles.description": {
                "type": "text",
                "parent": "public.team_roles",
                "not_null": false,
                "position": 4
            },
            "public.team_roles.permissions": {
                "type": "jsonb",
                "parent": "public.team_roles",
                "default": "'{}'::jsonb",
                "not_null": true,
                "position": 6
            },
            "public.users.is_temp_password": {
                "type": "boolean",
                "parent": "public.users",
                "default": "false",
                "not_null": false,
                "position": 4
            },
            "public.approval_history.action": {
                "type": "text",
                "parent": "public.approval_history",
                "not_null": true,
                "position": 3
            },
            "public.customers.storage_limit": {
                "type": "bigint",
                "parent": "public.customers",
                "default": "5368709120",
                "not_null": true,
                "position": 3
            },
            "public.storage_transactions.id": {
                "type": "text",
                "parent": "public.storage_transactions",
                "not_null": true,
                "position": 1
            },
            "public.storage_usage.file_type": {
                "type": "text",
                "parent": "public.storage_usage",
                "not_null": true,
                "position": 3
            },
            "public.team_members.created_at": {
                "type": "timestamp without time zone",
                "parent": "public.team_members",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 9
            },
            "public.team_members.first_name": {
                "type": "text",
                "parent": "public.team_members",
                "not_null": true,
                "position": 5
            },
            "public.team_members.updated_at": {
                "type": "timestamp without time zone",
                "parent": "public.team_members",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 10
            },
            "public.invoice_approvals.status": {
                "type": "text",
                "parent": "public.invoice_approvals",
                "default": "'pending'::text",
                "not_null": true,
                "position": 4
            },
            "public.storage_usage.file_count": {
                "type": "integer",
                "parent": "public.storage_usage",
                "default": "0",
                "not_null": true,
                "position": 5
            },
            "public.storage_usage.total_size": {
                "type": "bigint",
                "parent": "public.storage_usage",
                "default": "0",
                "not_null": true,
                "position": 6
            },
            "public.team_members.customer_id": {
                "type": "text",
                "parent": "public.team_members",
                "not_null": true,
                "position": 2
            },
            "public.customers.\"licenseNumber\"": {
                "type": "text",
                "parent": "public.customers",
                "not_null": false,
                "position": 5
            },
            "public.notification_templates.id": {
                "type": "uuid",
                "parent": "public.notification_templates",
                "default": "gen_random_uuid()",
                "not_null": true,
                "position": 1
            },
            "public.storage_usage.customer_id": {
                "type": "text",
                "parent": "public.storage_usage",
                "not_null": true,
                "position": 2
            },
            "public.team_roles.approval_limit": {
                "type": "numeric(15,2)",
                "parent": "public.team_roles",
                "not_null": false,
                "position": 8
            },
            "public.team_roles.is_system_role": {
                "type": "boolean",
                "parent": "public.team_roles",
                "default": "false",
                "not_null": false,
                "position": 5
            },
            "public.onboarding_applications.id": {
                "type": "text",
                "parent": "public.onboarding_applications",
                "not_null": true,
                "position": 1
            },
            "public.storage_usage.last_updated": {
                "type": "timestamp without time zone",
                "parent": "public.storage_usage",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 7
            },
            "public.users.must_change_password": {
                "type": "boolean",
                "parent": "public.users",
                "default": "false",
                "not_null": false,
                "position": 6
            },
            "public.approval_history.created_at": {
                "type": "timestamp without time zone",
                "parent": "public.approval_history",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 4
            },
            "public.notification_preferences.id": {
                "type": "uuid",
                "parent": "public.notification_preferences",
                "default": "gen_random_uuid()",
                "not_null": true,
                "position": 1
            },
            "public.notification_templates.name": {
                "type": "character varying(100)",
                "parent": "public.notification_templates",
                "not_null": true,
                "position": 3
            },
            "public.notification_templates.type": {
                "type": "character varying(50)",
                "parent": "public.notification_templates",
                "not_null": true,
                "position": 4
            },
            "public.team_roles.can_view_reports": {
                "type": "boolean",
                "parent": "public.team_roles",
                "default": "false",
                "not_null": false,
                "position": 12
            },
            "public.approval_history.approval_id": {
                "type": "text",
                "parent": "public.approval_history",
                "not_null": true,
                "position": 2
            },
            "public.invoice_approvals.invoice_id": {
                "type": "text",
                "parent": "public.invoice_approvals",
                "not_null": true,
                "position": 2
            },
            "public.invoice_approvals.updated_at": {
                "type": "timestamp without time zone",
                "parent": "public.invoice_approvals",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 5
            },
            "public.invoice_attachments.metadata": {
                "type": "jsonb",
                "parent": "public.invoice_attachments",
                "not_null": false,
                "position": 11
            },
            "public.invoice_approval_workflows.id": {
                "type": "text",
                "parent": "public.invoice_approval_workflows",
                "not_null": true,
                "position": 1
            },
            "public.invoice_approvals.customer_id": {
                "type": "text",
                "parent": "public.invoice_approvals",
                "not_null": true,
                "position": 3
            },
            "public.invoice_attachments.file_name": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": true,
                "position": 5
            },
            "public.invoice_attachments.file_path": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": true,
                "position": 4
            },
            "public.invoice_attachments.file_size": {
                "type": "bigint",
                "parent": "public.invoice_attachments",
                "not_null": true,
                "position": 6
            },
            "public.invoice_attachments.file_type": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": false,
                "position": 7
            },
            "public.invoice_attachments.mime_type": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": false,
                "position": 8
            },
            "public.invoice_attachments.invoice_id": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": true,
                "position": 2
            },
            "public.notification_templates.subject": {
                "type": "text",
                "parent": "public.notification_templates",
                "not_null": false,
                "position": 5
            },
            "public.team_roles.can_create_invoices": {
                "type": "boolean",
                "parent": "public.team_roles",
                "default": "false",
                "not_null": false,
                "position": 10
            },
            "public.team_roles.can_manage_projects": {
                "type": "boolean",
                "parent": "public.team_roles",
                "default": "false",
                "not_null": false,
                "position": 11
            },
            "public.users.temp_password_expires_at": {
                "type": "timestamp without time zone",
                "parent": "public.users",
                "not_null": false,
                "position": 5
            },
            "public.developer_projects.\"customerId\"": {
                "type": "text",
                "parent": "public.developer_projects",
                "not_null": true,
                "position": 2
            },
            "public.invoice_approval_workflows.name": {
                "type": "text",
                "parent": "public.invoice_approval_workflows",
                "not_null": true,
                "position": 3
            },
            "public.invoice_attachments.customer_id": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": true,
                "position": 3
            },
            "public.invoice_attachments.uploaded_at": {
                "type": "timestamp without time zone",
                "parent": "public.invoice_attachments",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 10
            },
            "public.invoice_attachments.uploaded_by": {
                "type": "text",
                "parent": "public.invoice_attachments",
                "not_null": false,
                "position": 9
            },
            "public.team_roles.can_approve_invoices": {
                "type": "boolean",
                "parent": "public.team_roles",
                "default": "false",
                "not_null": false,
                "position": 7
            },
            "public.developer_projects.\"developerId\"": {
                "type": "text",
                "parent": "public.developer_projects",
                "not_null": true,
                "position": 3
            },
            "public.notification_preferences.user_id": {
                "type": "text",
                "parent": "public.notification_preferences",
                "not_null": true,
                "position": 2
            },
            "public.notification_templates.body_html": {
                "type": "text",
                "parent": "public.notification_templates",
                "not_null": false,
                "position": 6
            },
            "public.notification_templates.body_text": {
                "type": "text",
                "parent": "public.notification_templates",
                "not_null": false,
                "position": 7
            },
            "public.notification_templates.is_active": {
                "type": "boolean",
                "parent": "public.notification_templates",
                "default": "true",
                "not_null": false,
                "position": 10
            },
            "public.notification_templates.is_system": {
                "type": "boolean",
                "parent": "public.notification_templates",
                "default": "false",
                "not_null": false,
                "position": 9
            },
            "public.notification_templates.variables": {
                "type": "jsonb",
                "parent": "public.notification_templates",
                "not_null": false,
                "position": 8
            },
            "public.customers.storage_last_calculated": {
                "type": "timestamp without time zone",
                "parent": "public.customers",
                "not_null": false,
                "position": 4
            },
            "public.notification_templates.created_at": {
                "type": "timestamp without time zone",
                "parent": "public.notification_templates",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 12
            },
            "public.notification_templates.created_by": {
                "type": "text",
                "parent": "public.notification_templates",
                "not_null": false,
                "position": 11
            },
            "public.notification_templates.updated_at": {
                "type": "timestamp without time zone",
                "parent": "public.notification_templates",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 13
            },
            "public.team_roles.requires_approval_from": {
                "type": "text[]",
                "parent": "public.team_roles",
                "not_null": false,
                "position": 9
            },
            "public.notification_templates.customer_id": {
                "type": "text",
                "parent": "public.notification_templates",
                "not_null": false,
                "position": 2
            },
            "public.notification_preferences.created_at": {
                "type": "timestamp without time zone",
                "parent": "public.notification_preferences",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 12
            },
            "public.notification_preferences.email_team": {
                "type": "boolean",
                "parent": "public.notification_preferences",
                "default": "true",
                "not_null": false,
                "position": 9
            },
            "public.notification_preferences.updated_at": {
                "type": "timestamp without time zone",
                "parent": "public.notification_preferences",
                "default": "CURRENT_TIMESTAMP",
                "not_null": false,
                "position": 13
            },
            "public.notification_preferences.customer_id": {
                "type": "text",
                "parent": "public.notification_preferences",
                "not_null": true,
                "position": 3
            },
            "public.invoice_approval_workflows.customer_id": {
                "type": "text",
                "parent": "public.invoice_approval_workflows",
                "not_null": true,
                "position": 2
            },
            "public.notification_preferences.email_enabled": {
                "type": "boolean",
                "parent": "public.notification_preferences",
                "default": "true",
                "not_null": false,
                "position": 4
            },
            "public.notification_preferences.email_payment": {
                "type": "boolean",
                "parent": "public.notification_preferences",
                "default": "true",
                "not_null": false,
                "position": 8
            },
            "public.notification_preferences.quiet_hours_end": {
                "type": "time without time zone",
                "parent": "public.notification_preferences",
                "not_null": false,
                "position": 11
            },
            "public.notification_preferences.quiet_hours_start": {
                "type": "time without time zone",
                "parent": "public.notification_preferences",
                "not_null": false,
                "position": 10
            },
            "public.notification_preferences.email_invoice_approval": {
                "type": "boolean",
                "parent": "public.notification_preferences",
                "default": "true",
                "not_null": false,
                "position": 5
            },
            "public.notification_preferences.email_invoice_approved": {
                "type": "boolean",
                "parent": "public.notification_preferences",
                "default": "true",
                "not_null": false,
                "position": 6
            },
            "public.notification_preferences.email_invoice_rejected": {
                "type": "boolean",
                "parent": "public.notification_preferences",
                "default": "true",
                "not_null": false,
                "position": 7
            }
        },
        "trigger": {
            "update_team_roles_updated_at on public.team_roles": {
                "parent": "public.team_roles",
                "comment": "notes when a row was changed last (pg_reconcile, pack team_management, 86c5dcb068b0833a57ea9942faf2204e)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_touch()"
                ],
                "definition": "CREATE TRIGGER update_team_roles_updated_at BEFORE UPDATE ON public.team_roles FOR EACH ROW EXECUTE FUNCTION public.team_management_touch('updated_at')"
            },
            "update_team_members_updated_at on public.team_members": {
                "parent": "public.team_members",
                "comment": "notes when a row was changed last (pg_reconcile, pack team_management, 77c14485cd31eda8b36324bacd64779c)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_touch()"
                ],
                "definition": "CREATE TRIGGER update_team_members_updated_at BEFORE UPDATE ON public.team_members FOR EACH ROW EXECUTE FUNCTION public.team_management_touch('updated_at')"
            },
            "update_invoice_approvals_updated_at on public.invoice_approvals": {
                "parent": "public.invoice_approvals",
                "comment": "notes when a row was changed last (pg_reconcile, pack team_management, 7d7a7bfee47d8c55865e5596100f403a)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_touch()"
                ],
                "definition": "CREATE TRIGGER update_invoice_approvals_updated_at BEFORE UPDATE ON public.invoice_approvals FOR EACH ROW EXECUTE FUNCTION public.team_management_touch('updated_at')"
            },
            "update_storage_on_attachment_delete on public.invoice_attachments": {
                "parent": "public.invoice_attachments",
                "comment": "counts attachments (pg_reconcile, pack team_management, fc8827bf4c9239c067c36fbe5c1734e9)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_count_delete()"
                ],
                "definition": "CREATE TRIGGER update_storage_on_attachment_delete AFTER DELETE ON public.invoice_attachments REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.team_management_count_delete()"
            },
            "update_storage_on_attachment_insert on public.invoice_attachments": {
                "parent": "public.invoice_attachments",
                "comment": "counts attachments (pg_reconcile, pack team_management, 9b8c15b23541eaa7997891240b4cebea)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_count_insert()"
                ],
                "definition": "CREATE TRIGGER update_storage_on_attachment_insert AFTER INSERT ON public.invoice_attachments REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.team_management_count_insert()"
            },
            "update_storage_on_attachment_update on public.invoice_attachments": {
                "parent": "public.invoice_attachments",
                "comment": "counts attachments (pg_reconcile, pack team_management, 6e9e6889c2d84348cba067354070f554)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_count_update()"
                ],
                "definition": "CREATE TRIGGER update_storage_on_attachment_update AFTER UPDATE ON public.invoice_attachments REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.team_management_count_update()"
            },
            "update_notification_templates_updated_at on public.notification_templates": {
                "parent": "public.notification_templates",
                "comment": "notes when a row was changed last (pg_reconcile, pack team_management, 15a4338f7a3645d4c6e57fb5ed7d6903)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_touch()"
                ],
                "definition": "CREATE TRIGGER update_notification_templates_updated_at BEFORE UPDATE ON public.notification_templates FOR EACH ROW EXECUTE FUNCTION public.team_management_touch('updated_at')"
            },
            "update_notification_preferences_updated_at on public.notification_preferences": {
                "parent": "public.notification_preferences",
                "comment": "notes when a row was changed last (pg_reconcile, pack team_management, 7aa36223ab29c70fa2c95f65752c2948)",
                "enabled": "origin",
                "requires": [
                    "public.team_management_touch()"
                ],
                "definition": "CREATE TRIGGER update_notification_preferences_updated_at BEFORE UPDATE ON public.notification_preferences FOR EACH ROW EXECUTE FUNCTION public.team_management_touch('updated_at')"
            }
        },
        "function": {
            "public.team_management_touch()": {
                "body": "\n\tBEGIN\n\t\tRETURN pg_catalog.jsonb_populate_record(NEW, pg_catalog.jsonb_build_object(TG_ARGV[0], pg_catalog.now()));\n\tEND ",
                "kind": "function",
                "owner": "",
                "result": "trigger",
                "comment": "notes when a row was changed last (pg_reconcile, pack team_management, 4879007afe48942e7de9094de54ff670)",
                "language": "plpgsql",
                "arguments": "",
                "volatility": "volatile"
            },
            "public.team_management_count_delete()": {
                "body": "\n\tBEGIN\n\t\tPERFORM FROM public.customers c WHERE c.id IN (SELECT a.customer_id FROM (SELECT o.*, -1 AS sign FROM old_rows o) a)\n\t\tORDER BY c.id FOR NO KEY UPDATE;\n\t\tWITH delta AS (\n\t\t\tSELECT a.customer_id AS customer_id, coalesce(a.file_type, 'other') AS file_type,\n\t\t\t       sum(a.sign)::integer AS files, sum(a.sign * coalesce(a.file_size, 0))::bigint AS size\n\t\t\tFROM (SELECT o.*, -1 AS sign FROM old_rows o) a WHERE a.customer_id IS NOT NULL GROUP BY 1, 2),\n\t\tcounted AS (\n\t\t\tUPDATE public.storage_usage s SET file_count = greatest(s.file_count + d.files, 0),\n\t\t\t       total_size = greatest(s.total_size + d.size, 0), last_updated = now()\n\t\t\tFROM delta d\n\t\t\tWHERE s.customer_id = d.customer_id AND s.file_type = d.file_type\n\t\t\t  AND s.category IS NOT DISTINCT FROM nullif('', '')\n\t\t\tRETURNING d.customer_id, d.file_type),\n\t\tfresh AS (\n\t\t\tINSERT INTO public.storage_usage (id, customer_id, file_type, category,\n\t\t\t                             file_count, total_size, last_updated)\n\t\t\tSELECT gen_random_uuid(), d.customer_id, d.file_type, nullif('', ''), d.files, d.size, now()\n\t\t\tFROM delta d WHERE d.files > 0\n\t\t\t  AND NOT EXISTS (SELECT FROM counted c WHERE c.customer_id = d.customer_id AND c.file_type = d.file_type))\n\t\tUPDATE public.customers c SET storage_used = greatest(coalesce(c.storage_used, 0) + d.size, 0)\n\t\tFROM (SELECT d.customer_id, sum(d.size)::bigint AS size FROM delta d GROUP BY 1) d\n\t\tWHERE c.id = d.customer_id AND d.size <> 0;\n\t\tRETURN NULL;\n\tEND ",
                "kind": "function",
                "owner": "",
                "result": "trigger",
                "comment": "keeps the storage counters of customers (pg_reconcile, pack team_management, 81505158aa1c2e402dd0048c8ea2e98f)",
                "language": "plpgsql",
                "settings": [
                    "search_path=pg_catalog, pg_temp"
                ],
                "arguments": "",
                "volatility": "volatile",
                "security_definer": true
            },
            "public.team_management_count_insert()": {
                "body": "\n\tBEGIN\n\t\tPERFORM FROM public.customers c WHERE c.id IN (SELECT a.customer_id FROM (SELECT n.*, 1 AS sign FROM new_rows n) a)\n\t\tORDER BY c.id FOR NO KEY UPDATE;\n\t\tWITH delta AS (\n\t\t\tSELECT a.customer_id AS customer_id, coalesce(a.file_type, 'other') AS file_type,\n\t\t\t       sum(a.sign)::integer AS files, sum(a.sign * coalesce(a.file_size, 0))::bigint AS size\n\t\t\tFROM (SELECT n.*, 1 AS sign FROM new_rows n) a WHERE a.customer_id IS NOT NULL GROUP BY 1, 2),\n\t\tcounted AS (\n\t\t\tUPDATE public.storage_usage s SET file_count = greatest(s.file_count + d.files, 0),\n\t\t\t       total_size = greatest(s.total_size + d.size, 0), last_updated = now()\n\t\t\tFROM delta d\n\t\t\tWHERE s.customer_id = d.customer_id AND s.file_type = d.file_type\n\t\t\t  AND s.category IS NOT DISTINCT FROM nullif('', '')\n\t\t\tRETURNING d.customer_id, d.file_type),\n\t\tfresh AS (\n\t\t\tINSERT INTO public.storage_usage (id, customer_id, file_type, category,\n\t\t\t                             file_count, total_size, last_updated)\n\t\t\tSELECT gen_random_uuid(), d.customer_id, d.file_type, nullif('', ''), d.files, d.size, now()\n\t\t\tFROM delta d WHERE d.files > 0\n\t\t\t  AND NOT EXISTS (SELECT FROM counted c WHERE c.customer_id = d.customer_id AND c.file_type = d.file_type))\n\t\tUPDATE public.customers c SET storage_used = greatest(coalesce(c.storage_used, 0) + d.size, 0)\n\t\tFROM (SELECT d.customer_id, sum(d.size)::bigint AS size FROM delta d GROUP BY 1) d\n\t\tWHERE c.id = d.customer_id AND d.size <> 0;\n\t\tRETURN NULL;\n\tEND ",
                "kind": "function",
                "owner": "",
                "result": "trigger",
                "comment": "keeps the storage counters of customers (pg_reconcile, pack team_management, 08d9f7d421e77c33e888958f99b1f5c5)",
                "language": "plpgsql",
                "settings": [
                    "search_path=pg_catalog, pg_temp"
                ],
                "arguments": "",
                "volatility": "volatile",
                "security_definer": true
            },
            "public.team_management_count_update()": {
                "body": "\n\tBEGIN\n\t\tPERFORM FROM public.customers c WHERE c.id IN (SELECT a.customer_id FROM (SELECT n.*, 1 AS sign FROM new_rows n UNION ALL SELECT o.*, -1 FROM old_rows o) a)\n\t\tORDER BY c.id FOR NO KEY UPDATE;\n\t\tWITH delta AS (\n\t\t\tSELECT a.customer_id AS customer_id, coalesce(a.file_type, 'other') AS file_type,\n\t\t\t       sum(a.sign)::integer AS files, sum(a.sign * coalesce(a.file_size, 0))::bigint AS size\n\t\t\tFROM (SELECT n.*, 1 AS sign FROM new_rows n UNION ALL SELECT o.*, -1 FROM old_rows o) a WHERE a.customer_id IS NOT NULL GROUP BY 1, 2),\n\t\tcounted AS (\n\t\t\tUPDATE public.storage_usage s SET file_count = greatest(s.file_count + d.files, 0),\n\t\t\t       total_size = greatest(s.total_size + d.size, 0), last_updated = now()\n\t\t\tFROM delta d\n\t\t\tWHERE s.customer_id = d.customer_id AND s.file_type = d.file_type\n\t\t\t  AND s.category IS NOT DISTINCT FROM nullif('', '')\n\t\t\tRETURNING d.customer_id, d.file_type),\n\t\tfresh AS (\n\t\t\tINSERT INTO public.storage_usage (id, customer_id, file_type, category,\n\t\t\t                             file_count, total_size, last_updated)\n\t\t\tSELECT gen_random_uuid(), d.customer_id, d.file_type, nullif('', ''), d.files, d.size, now()\n\t\t\tFROM delta d WHERE d.files > 0\n\t\t\t  AND NOT EXISTS (SELECT FROM counted c WHERE c.customer_id = d.customer_id AND c.file_type = d.file_type))\n\t\tUPDATE public.customers c SET storage_used = greatest(coalesce(c.storage_used, 0) + d.size, 0)\n\t\tFROM (SELECT d.customer_id, sum(d.size)::bigint AS size FROM delta d GROUP BY 1) d\n\t\tWHERE c.id = d.customer_id AND d.size <> 0;\n\t\tRETURN NULL;\n\tEND ",
                "kind": "function",
                "owner": "",
                "result": "trigger",
                "comment": "keeps the storage counters of customers (pg_reconcile, pack team_management, 44aa19f5d1a01a5a7061cbefb1ef6b92)",
                "language": "plpgsql",
                "settings": [
                    "search_path=pg_catalog, pg_temp"
                ],
                "arguments": "",
                "volatility": "volatile",
                "security_definer": true
            }
        },
        "constraint": {
            "plans_pkey on public.plans": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.plans",
                "definition": "PRIMARY KEY (id)"
            },
            "users_pkey on public.users": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.users",
                "definition": "PRIMARY KEY (id)"
            },
            "admins_pkey on public.admins": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.admins",
                "definition": "PRIMARY KEY (id)"
            },
            "vendors_pkey on public.vendors": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.vendors",
                "definition": "PRIMARY KEY (id)"
            },
            "invoices_pkey on public.invoices": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.invoices",
                "definition": "PRIMARY KEY (id)"
            },
            "payments_pkey on public.payments": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.payments",
                "definition": "PRIMARY KEY (id)"
            },
            "customers_pkey on public.customers": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.customers",
                "definition": "PRIMARY KEY (id)"
            },
            "team_roles_pkey on public.team_roles": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.team_roles",
                "definition": "PRIMARY KEY (id)"
            },
            "email_queue_pkey on public.email_queue": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.email_queue",
                "definition": "PRIMARY KEY (id)"
            },
            "\"users_customerId_fkey\" on public.users": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.users",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (\"customerId\") REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "team_members_pkey on public.team_members": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.team_members",
                "definition": "PRIMARY KEY (id)"
            },
            "activity_logs_pkey on public.activity_logs": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.activity_logs",
                "definition": "PRIMARY KEY (id)"
            },
            "notifications_pkey on public.notifications": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.notifications",
                "definition": "PRIMARY KEY (id)"
            },
            "storage_usage_pkey on public.storage_usage": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.storage_usage",
                "definition": "PRIMARY KEY (id)"
            },
            "subscriptions_pkey on public.subscriptions": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.subscriptions",
                "definition": "PRIMARY KEY (id)"
            },
            "customer_users_pkey on public.customer_users": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.customer_users",
                "definition": "PRIMARY KEY (id)"
            },
            "project_budgets_pkey on public.project_budgets": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.project_budgets",
                "definition": "PRIMARY KEY (id)"
            },
            "purchase_orders_pkey on public.purchase_orders": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.purchase_orders",
                "definition": "PRIMARY KEY (id)"
            },
            "approval_history_pkey on public.approval_history": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.approval_history",
                "definition": "PRIMARY KEY (id)"
            },
            "project_expenses_pkey on public.project_expenses": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.project_expenses",
                "definition": "PRIMARY KEY (id)"
            },
            "project_invoices_pkey on public.project_invoices": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.project_invoices",
                "definition": "PRIMARY KEY (id)"
            },
            "team_members_role_id_fkey on public.team_members": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.team_members",
                "requires": [
                    "public.team_roles",
                    "public.team_roles.id",
                    "team_roles_pkey on public.team_roles"
                ],
                "definition": "FOREIGN KEY (role_id) REFERENCES public.team_roles(id)"
            },
            "team_members_status_check on public.team_members": {
                "kind": "check",
                "valid": true,
                "parent": "public.team_members",
                "definition": "CHECK ((status = ANY (ARRAY['active'::text, 'inactive'::text, 'suspended'::text, 'invited'::text])))"
            },
            "team_members_user_id_fkey on public.team_members": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.team_members",
                "requires": [
                    "public.users",
                    "public.users.id",
                    "users_pkey on public.users"
                ],
                "definition": "FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL"
            },
            "team_roles_customer_id_fkey on public.team_roles": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.team_roles",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "budget_line_items_pkey on public.budget_line_items": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.budget_line_items",
                "definition": "PRIMARY KEY (id)"
            },
            "invoice_approvals_pkey on public.invoice_approvals": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.invoice_approvals",
                "definition": "PRIMARY KEY (id)"
            },
            "notification_logs_pkey on public.notification_logs": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.notification_logs",
                "definition": "PRIMARY KEY (id)"
            },
            "project_forecasts_pkey on public.project_forecasts": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.project_forecasts",
                "definition": "PRIMARY KEY (id)"
            },
            "developer_projects_pkey on public.developer_projects": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.developer_projects",
                "definition": "PRIMARY KEY (id)"
            },
            "project_milestones_pkey on public.project_milestones": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.project_milestones",
                "definition": "PRIMARY KEY (id)"
            },
            "team_members_customer_id_fkey on public.team_members": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.team_members",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "invoice_attachments_pkey on public.invoice_attachments": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.invoice_attachments",
                "definition": "PRIMARY KEY (id)"
            },
            "storage_usage_customer_id_fkey on public.storage_usage": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.storage_usage",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "storage_transactions_pkey on public.storage_transactions": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.storage_transactions",
                "definition": "PRIMARY KEY (id)"
            },
            "team_members_customer_id_email_key on public.team_members": {
                "kind": "unique",
                "valid": true,
                "parent": "public.team_members",
                "definition": "UNIQUE (customer_id, email)"
            },
            "invoice_approvals_status_check on public.invoice_approvals": {
                "kind": "check",
                "valid": true,
                "parent": "public.invoice_approvals",
                "definition": "CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text, 'delegated'::text, 'expired'::text])))"
            },
            "approval_history_approval_id_fkey on public.approval_history": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.approval_history",
                "requires": [
                    "invoice_approvals_pkey on public.invoice_approvals",
                    "public.invoice_approvals",
                    "public.invoice_approvals.id"
                ],
                "definition": "FOREIGN KEY (approval_id) REFERENCES public.invoice_approvals(id) ON DELETE CASCADE"
            },
            "notification_templates_pkey on public.notification_templates": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.notification_templates",
                "definition": "PRIMARY KEY (id)"
            },
            "invoice_approvals_customer_id_fkey on public.invoice_approvals": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.invoice_approvals",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "onboarding_applications_pkey on public.onboarding_applications": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.onboarding_applications",
                "definition": "PRIMARY KEY (id)"
            },
            "notification_preferences_pkey on public.notification_preferences": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.notification_preferences",
                "definition": "PRIMARY KEY (id)"
            },
            "\"developer_projects_customerId_fkey\" on public.developer_projects": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.developer_projects",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (\"customerId\") REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "\"developer_projects_developerId_fkey\" on public.developer_projects": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.developer_projects",
                "requires": [
                    "public.users",
                    "public.users.id",
                    "users_pkey on public.users"
                ],
                "definition": "FOREIGN KEY (\"developerId\") REFERENCES public.users(id)"
            },
            "invoice_attachments_customer_id_fkey on public.invoice_attachments": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.invoice_attachments",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "invoice_approval_workflows_pkey on public.invoice_approval_workflows": {
                "kind": "primary key",
                "valid": true,
                "parent": "public.invoice_approval_workflows",
                "definition": "PRIMARY KEY (id)"
            },
            "notification_preferences_user_id_fkey on public.notification_preferences": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.notification_preferences",
                "requires": [
                    "public.users",
                    "public.users.id",
                    "users_pkey on public.users"
                ],
                "definition": "FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE"
            },
            "notification_templates_customer_id_fkey on public.notification_templates": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.notification_templates",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "notification_preferences_customer_id_fkey on public.notification_preferences": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.notification_preferences",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "invoice_approval_workflows_customer_id_fkey on public.invoice_approval_workflows": {
                "kind": "foreign key",
                "valid": true,
                "parent": "public.invoice_approval_workflows",
                "requires": [
                    "customers_pkey on public.customers",
                    "public.customers",
                    "public.customers.id"
                ],
                "definition": "FOREIGN KEY (customer_id) REFERENCES public.customers(id) ON DELETE CASCADE"
            },
            "notification_preferences_user_id_customer_id_key on public.notification_preferences": {
                "kind": "unique",
                "valid": true,
                "parent": "public.notification_preferences",
                "definition": "UNIQUE (user_id, customer_id)"
            },
            "invoice_approval_workflows_customer_id_name_key on public.invoice_approval_workflows": {
                "kind": "unique",
                "valid": true,
                "parent": "public.invoice_approval_workflows",
                "definition": "UNIQUE (customer_id, name)"
            }
        }
    },
    "baseline": {
        "mode": "at least",
        "format": 1,
        "server": 15,
        "schemas": [
            "public"
        ]
    }
} $baseline$);
