"""IAM actions that the Pulumi AWS provider needs for the resource types ``infra/`` uses.

The toolkit itself never calls them. They follow from the resource types and were not traced on AWS;
a test checks that each names an operation of its service and that every type of ``infra/`` is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# What the provider calls for create, read, update, delete and tagging of each Pulumi type.
PROVISION_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "aws:ec2/vpc:Vpc": (
        "ec2:CreateVpc",
        "ec2:DeleteVpc",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcs",
        "ec2:ModifyVpcAttribute",
    ),
    "aws:ec2/subnet:Subnet": (
        "ec2:CreateSubnet",
        "ec2:DeleteSubnet",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:ModifySubnetAttribute",
    ),
    "aws:ec2/securityGroup:SecurityGroup": (
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateSecurityGroup",
        "ec2:DeleteSecurityGroup",
        "ec2:DescribeSecurityGroups",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
    ),
    "aws:ec2/internetGateway:InternetGateway": (
        "ec2:AttachInternetGateway",
        "ec2:CreateInternetGateway",
        "ec2:DeleteInternetGateway",
        "ec2:DescribeInternetGateways",
        "ec2:DetachInternetGateway",
    ),
    "aws:ec2/routeTable:RouteTable": (
        "ec2:CreateRoute",
        "ec2:CreateRouteTable",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:ReplaceRoute",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": (
        "ec2:AssociateRouteTable",
        "ec2:DescribeRouteTables",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRouteTableAssociation",
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        "ec2:CreateLaunchTemplate",
        "ec2:CreateLaunchTemplateVersion",
        "ec2:DeleteLaunchTemplate",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplates",
        "ec2:ModifyLaunchTemplate",
    ),
    "aws:autoscaling/group:Group": (
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DeleteTags",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeScalingActivities",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "autoscaling:DisableMetricsCollection",
        "autoscaling:EnableMetricsCollection",
        "autoscaling:SetInstanceProtection",
        "autoscaling:UpdateAutoScalingGroup",
        # Creating a group through a launch template is checked as the caller running instances.
        "ec2:RunInstances",
        "elasticloadbalancing:DescribeTargetHealth",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
    ),
    "aws:autoscaling/policy:Policy": (
        "autoscaling:DeletePolicy",
        "autoscaling:DescribePolicies",
        "autoscaling:PutScalingPolicy",
    ),
    "aws:autoscaling/schedule:Schedule": (
        "autoscaling:DeleteScheduledAction",
        "autoscaling:DescribeScheduledActions",
        "autoscaling:PutScheduledUpdateGroupAction",
    ),
    "aws:lb/loadBalancer:LoadBalancer": (
        "ec2:DescribeAccountAttributes",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeNetworkInterfaces",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DescribeCapacityReservation",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:SetIpAddressType",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:lb/targetGroup:TargetGroup": (
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
    ),
    "aws:lb/listener:Listener": (
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyListenerAttributes",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (
        "cloudwatch:DeleteAlarms",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
    ),
    "aws:cloudwatch/dashboard:Dashboard": (
        "cloudwatch:DeleteDashboards",
        "cloudwatch:GetDashboard",
        "cloudwatch:PutDashboard",
    ),
    "aws:cloudwatch/logGroup:LogGroup": (
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:DeleteRetentionPolicy",
        "logs:DescribeLogGroups",
        "logs:ListTagsForResource",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
    ),
    "aws:ecs/cluster:Cluster": (
        "ecs:CreateCluster",
        "ecs:DeleteCluster",
        "ecs:DescribeClusters",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateCluster",
        "ecs:UpdateClusterSettings",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": (
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "ecs:UntagResource",
        "iam:PassRole",
    ),
    "aws:ecs/service:Service": (
        "ecs:CreateService",
        "ecs:DeleteService",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:ListServiceDeployments",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateService",
        "iam:PassRole",
    ),
    "aws:appautoscaling/target:Target": (
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:ListTagsForResource",
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:TagResource",
        "application-autoscaling:UntagResource",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": (
        "application-autoscaling:DeleteScheduledAction",
        "application-autoscaling:DescribeScheduledActions",
        "application-autoscaling:PutScheduledAction",
    ),
    "aws:appautoscaling/policy:Policy": (
        "application-autoscaling:DeleteScalingPolicy",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:PutScalingPolicy",
        # A target-tracking policy makes its own alarms, as the caller.
        "cloudwatch:DeleteAlarms",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricAlarm",
    ),
    "aws:lambda/function:Function": (
        # An image is fetched in the caller's name when a function is made from it.
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetRepositoryPolicy",
        "ecr:SetRepositoryPolicy",
        "iam:PassRole",
        "lambda:CreateFunction",
        "lambda:DeleteFunction",
        "lambda:GetFunction",
        "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConfiguration",
        "lambda:ListTags",
        "lambda:ListVersionsByFunction",
        "lambda:TagResource",
        "lambda:UntagResource",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
    ),
    "aws:lambda/permission:Permission": (
        "lambda:AddPermission",
        "lambda:GetPolicy",
        "lambda:RemovePermission",
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": (
        "lambda:CreateEventSourceMapping",
        "lambda:DeleteEventSourceMapping",
        "lambda:GetEventSourceMapping",
        "lambda:ListTags",
        "lambda:UpdateEventSourceMapping",
    ),
    "aws:sqs/queue:Queue": (
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:GetQueueAttributes",
        "sqs:ListQueueTags",
        "sqs:SetQueueAttributes",
        "sqs:TagQueue",
        "sqs:UntagQueue",
    ),
    "aws:cloudwatch/eventRule:EventRule": (
        "events:DeleteRule",
        "events:DescribeRule",
        "events:ListTagsForResource",
        "events:PutRule",
        "events:TagResource",
        "events:UntagResource",
    ),
    "aws:cloudwatch/eventTarget:EventTarget": (
        "events:ListTargetsByRule",
        "events:PutTargets",
        "events:RemoveTargets",
    ),
    "aws:elasticache/parameterGroup:ParameterGroup": (
        "elasticache:AddTagsToResource",
        "elasticache:CreateCacheParameterGroup",
        "elasticache:DeleteCacheParameterGroup",
        "elasticache:DescribeCacheParameterGroups",
        "elasticache:DescribeCacheParameters",
        "elasticache:ListTagsForResource",
        "elasticache:ModifyCacheParameterGroup",
        "elasticache:RemoveTagsFromResource",
        "elasticache:ResetCacheParameterGroup",
    ),
    "aws:elasticache/subnetGroup:SubnetGroup": (
        "ec2:DescribeSubnets",
        "elasticache:AddTagsToResource",
        "elasticache:CreateCacheSubnetGroup",
        "elasticache:DeleteCacheSubnetGroup",
        "elasticache:DescribeCacheSubnetGroups",
        "elasticache:ListTagsForResource",
        "elasticache:ModifyCacheSubnetGroup",
        "elasticache:RemoveTagsFromResource",
    ),
    "aws:elasticache/replicationGroup:ReplicationGroup": (
        "elasticache:AddTagsToResource",
        "elasticache:CreateReplicationGroup",
        "elasticache:DecreaseReplicaCount",
        "elasticache:DeleteReplicationGroup",
        "elasticache:DescribeCacheClusters",
        "elasticache:DescribeReplicationGroups",
        "elasticache:IncreaseReplicaCount",
        "elasticache:ListTagsForResource",
        "elasticache:ModifyReplicationGroup",
        "elasticache:RemoveTagsFromResource",
        "iam:CreateServiceLinkedRole",
    ),
    "aws:budgets/budget:Budget": (
        # The service's two permissions for all of its operations on budgets.
        "budgets:ModifyBudget",
        "budgets:ViewBudget",
        "budgets:ListTagsForResource",
        "budgets:TagResource",
        "budgets:UntagResource",
    ),
    "aws:iam/role:Role": (
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:GetRole",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (
        "iam:AttachRolePolicy",
        "iam:DetachRolePolicy",
        "iam:ListAttachedRolePolicies",
    ),
    "aws:iam/rolePolicy:RolePolicy": (
        "iam:DeleteRolePolicy",
        "iam:GetRolePolicy",
        "iam:PutRolePolicy",
    ),
    "aws:iam/instanceProfile:InstanceProfile": (
        "iam:AddRoleToInstanceProfile",
        "iam:CreateInstanceProfile",
        "iam:DeleteInstanceProfile",
        "iam:GetInstanceProfile",
        "iam:PassRole",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:TagInstanceProfile",
        "iam:UntagInstanceProfile",
    ),
}
# What buys commitments. In no policy unless asked for: no update should be able to do it by itself.
PURCHASE_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "aws:savingsplans/savingsPlan:SavingsPlan": (
        "savingsplans:CreateSavingsPlan",
        "savingsplans:DescribeSavingsPlans",
        "savingsplans:ListTagsForResource",
        "savingsplans:TagResource",
        "savingsplans:UntagResource",
    ),
    "aws:elasticache/reservedCacheNode:ReservedCacheNode": (
        "elasticache:AddTagsToResource",
        "elasticache:DescribeReservedCacheNodes",
        "elasticache:ListTagsForResource",
        "elasticache:PurchaseReservedCacheNodesOffering",
        "elasticache:RemoveTagsFromResource",
    ),
    "aws:rds/reservedInstance:ReservedInstance": (
        "rds:AddTagsToResource",
        "rds:DescribeReservedDBInstances",
        "rds:ListTagsForResource",
        "rds:PurchaseReservedDBInstancesOffering",
        "rds:RemoveTagsFromResource",
    ),
}
# Tags of EC2 and load-balancer resources go through one call for all of their types.
_TAGGING_BY_SERVICE = {
    "aws:ec2": ("ec2:CreateTags", "ec2:DeleteTags"),
    "aws:lb": (
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:RemoveTags",
    ),
}


def provision_actions(resource_types: Iterable[str] | None = None) -> tuple[str, ...]:
    """Sorted IAM actions to apply stacks that hold these Pulumi types (None: all of ``infra/``).

    Raises KeyError for a type that is not in the table.
    """
    actions: set[str] = set()
    for resource_type in PROVISION_ACTIONS if resource_types is None else resource_types:
        actions.update(PROVISION_ACTIONS[resource_type])
        actions.update(_TAGGING_BY_SERVICE.get(resource_type.split("/", 1)[0], ()))
    return tuple(sorted(actions))


def purchase_actions() -> tuple[str, ...]:
    """Sorted IAM actions to buy what a production stack may buy, for a role of its own."""
    return tuple(sorted({action for actions in PURCHASE_ACTIONS.values() for action in actions}))
