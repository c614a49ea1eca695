"""The code tables of JGJ/T 320 in the words a caller understands.

Ledgers report what the standard forgot as 99, and some invent codes of their own: both are said as 其他.
"""

from collections.abc import Mapping

OTHER = "其他"

# GRZHZT: state of a person's account
ACCOUNT_STATE = {
    "01": "正常",
    "02": "封存",
    "03": "合并销户",
    "04": "外部转出销户",
    "05": "提取销户",
    "06": "冻结",
    "99": OTHER,
}
CLOSED = frozenset({"03", "04", "05"})  # states that an account never leaves

# DWZHZT: state of an employer's account
EMPLOYER_STATE = {
    "01": "正常",
    "02": "开户",
    "03": "缓缴",
    "04": "销户",
    "05": "封存",
    "99": OTHER,
}

# GJHTQYWLX: what a line of a person's account is about
DETAIL_KIND = {
    "01": "汇缴",
    "02": "补缴",
    "03": "开户",
    "04": "启封",
    "05": "封存",
    "06": "内部转移",
    "07": "外部转出",
    "08": "外部转入",
    "09": "年终结息",
    "10": "基数调整",
    "11": "部分提取",
    "12": "销户提取",
    "13": "缓缴",
    "14": "冻结",
    "15": "解冻",
    "99": OTHER,
}

# TQYY: why money was withdrawn
WITHDRAWAL_REASON = {
    "01": "购房",
    "02": "建造、翻修、大修住房",
    "03": "离休、退休",
    "04": "完全丧失劳动能力",
    "05": "户口迁出或出境定居",
    "06": "偿还购房贷款",
    "07": "支付房租",
    "08": "死亡或宣告死亡",
    "09": "大病",
    "99": OTHER,
}

# DKYWMXLX: what a line of a loan is about
LOAN_DETAIL_KIND = {
    "01": "贷款发放",
    "02": "正常还款",
    "03": "提前还款",
    "04": "逾期还款",
    "05": "提取还款",
    "06": "结清",
    "07": "展期",
    "08": "缩期",
    "09": "核销",
    "99": OTHER,
}

# DKHKFS: how a loan is repaid
REPAYMENT_METHOD = {
    "01": "等额本息",
    "02": "等额本金",
    "03": "一次还本付息",
    "04": "自由还款",
    "99": OTHER,
}


def words(table: Mapping[str, str], code: str | None) -> str:
    """What `code` means: `words(ACCOUNT_STATE, "02")` -> 封存; anything unknown -> 其他."""
    return table.get((code or "").strip(), OTHER)
