-- The five views through which the hotline reads a fund's ledger. It reads nothing else and writes nothing.
--
-- What stands left of AS is the hotline's demo ledger (fund/demo/): put your own system's columns there.
-- What stands right of AS must stay: the names of JGJ/T 320, or ours where the standard has none [ours].
-- Give the hotline's database user SELECT on these views only. The statements run on PostgreSQL and SQLite as they are.
--
--   text     VARCHAR, without padding; dates as DATE; months as yyyymm in six characters; codes as in the standard
--   money    NUMERIC in yuan, two places; NULL counts as 0.00
--   percent  NUMERIC, 2.85 means 2.85 %
--
-- Account numbers of employees (GRZH) and of employers (DWZH) must not overlap: query PINs are kept by number.
-- Indexes that keep a look-up under a millisecond: GRZH, ZJHM, BDSJHM; (GRZH, JZRQ); DKZH, DQJHHKRQ; DWZH.

-- One row per account of a person. Several accounts of one person carry the same ZJHM.
CREATE VIEW hotline_employee AS
SELECT
    e.account               AS GRZH,        -- account number
    e.name                  AS XingMing,    -- name
    e.id_card               AS ZJHM,        -- ID number, 18 characters, X in upper case
    e.phone                 AS SJHM,        -- contact phone, 11 digits; NULL if unknown
    e.bound_phone           AS BDSJHM,      -- [ours] phone proven with a code at sign-up; NULL if none
    e.state                 AS GRZHZT,      -- state: 01 normal, 02 sealed, 03 merged, 04 moved out, 05 withdrawn, 06 frozen
    e.base / 100.0          AS GRJCJS,      -- deposit base
    e.mine / 100.0          AS GRYJCE,      -- the person's monthly share
    e.employers / 100.0     AS DWYJCE,      -- the employer's monthly share
    e.balance / 100.0       AS GRZHYE,      -- balance = GRZHSNJZYE + GRZHDNGJYE
    e.carried / 100.0       AS GRZHSNJZYE,  -- carried over at the last 30 June
    (e.balance - e.carried) / 100.0
                            AS GRZHDNGJYE,  -- added since then
    e.paid_to               AS JZNY,        -- last month paid, yyyymm; NULL before the first
    e.employer              AS DWZH,        -- the employer's account number
    u.name                  AS DWMC,        -- the employer's name
    e.as_of                 AS SJRQ         -- [ours] the day these figures are of
FROM demo_employee e
LEFT JOIN demo_employer u ON u.account = e.employer;

-- The lines of a person's account.
CREATE VIEW hotline_detail AS
SELECT
    d.account               AS GRZH,
    d.serial                AS YWLSH,       -- serial number; grows within a day
    d.day                   AS JZRQ,        -- day of booking
    d.kind                  AS GJHTQYWLX,   -- 01 monthly deposit ... 09 yearly interest, 11 withdrawal ...
    d.amount / 100.0        AS FSE,         -- what it changed; negative when money went out
    d.balance / 100.0       AS GRZHYE,      -- balance after it
    d.month                 AS HBJNY        -- the month a deposit was for, yyyymm; NULL for other lines
FROM demo_detail d;

-- Loans, open and settled.
CREATE VIEW hotline_loan AS
SELECT
    l.loan                  AS DKZH,        -- loan account number
    l.account               AS GRZH,        -- the (first) borrower's account number
    l.contract              AS JKHTBH,      -- contract number
    l.amount / 100.0        AS DKFFE,       -- paid out
    l.balance / 100.0       AS DKYE,        -- principal still owed; 0 when settled
    l.rate / 100.0          AS DKLL,        -- yearly rate, percent
    l.periods               AS DKQS,        -- periods agreed
    l.periods_left          AS DKSYQS,      -- periods left
    l.method                AS DKHKFS,      -- 01 equal payments, 02 equal principal, 03 at once, 04 free, 99 other
    l.next_day              AS DQJHHKRQ,    -- next payment: day; NULL when settled
    l.next_amount / 100.0   AS DQJHHKJE,    -- next payment: principal and interest
    l.overdue               AS LJYQQS,      -- payments missed and not made good
    l.overdue_principal / 100.0
                            AS YQBJZE,      -- principal among them
    l.overdue_interest / 100.0
                            AS YQLXZE       -- interest among them
FROM demo_loan l;

-- The lines of a loan.
CREATE VIEW hotline_repayment AS
SELECT
    r.loan                  AS DKZH,
    r.serial                AS YWLSH,       -- serial number; grows within a day
    r.day                   AS JZRQ,        -- day of booking
    r.kind                  AS DKYWMXLX,    -- 01 paid out, 02 regular payment, 03 early, 04 late ... 06 settled
    r.principal / 100.0     AS BJJE,        -- principal
    r.interest / 100.0      AS LXJE,        -- interest
    r.penalty / 100.0       AS FXJE,        -- penalty interest
    r.period                AS DQQC,        -- period it was for; 0 for others
    r.balance / 100.0       AS DKYE         -- principal owed after it
FROM demo_repayment r;

-- Employers. Totals are here, not summed by the hotline, because only the ledger knows who counts.
CREATE VIEW hotline_employer AS
SELECT
    u.account               AS DWZH,        -- account number
    u.name                  AS DWMC,        -- name
    u.state                 AS DWZHZT,      -- 01 normal, 02 opened, 03 deferred, 04 closed, 05 sealed, 99 other
    u.employers_rate / 100.0
                            AS DWJCBL,      -- the employer's rate, percent
    u.employees_rate / 100.0
                            AS GRJCBL,      -- the employees' rate, percent
    u.heads                 AS DWJCRS,      -- people it deposits for
    u.monthly / 100.0       AS YJCZE,       -- [ours] both shares of all of them for a month
    u.paid_to               AS JZNY,        -- last month paid, yyyymm
    u.months_behind         AS QJYS,        -- [ours] months not paid, allowed deferrals left out
    u.months_behind * u.monthly / 100.0
                            AS QJJE,        -- [ours] what they come to
    u.handler               AS JBRXM,       -- handler: name
    u.handler_phone         AS JBRSJHM,     -- handler: phone, 11 digits
    u.certificate_ends      AS ZSDQRQ       -- [ours] last day of the certificate for online business; NULL if none
FROM demo_employer u;
