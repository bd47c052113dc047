"""The columns of divisions and units in files: the key, and every heading that a bureau's table uses for it."""

from __future__ import annotations

from emergency.http.sheets import Column

LAT = Column("lat", ("纬度", "北纬"), kind="number")
LON = Column("lon", ("经度", "东经"), kind="number")

DIVISIONS = (
    Column("code", ("代码", "区划代码", "行政区划代码", "统计用区划代码", "division_code"), required=True, kind="code"),
    Column("name", ("名称", "区划名称", "单位名称"), required=True),
    Column("parent_code", ("上级代码", "上级区划代码", "父级代码", "所属代码"), kind="code"),
    Column("kind", ("类型", "类别", "区划类型")),
    LAT,
    LON,
)
UNITS = (
    Column("code", ("编号", "单位编号", "单位代码", "统一社会信用代码"), required=True, kind="code"),
    Column("name", ("名称", "单位名称"), required=True),
    Column("division_code", ("区划代码", "所属区划", "所在区划代码"), required=True, kind="code"),
    Column("sectors", ("行业", "行业类别", "行业标签", "类别")),
    Column("address", ("地址", "单位地址", "详细地址")),
    LAT,
    LON,
    Column("contact_name", ("联系人", "联系人姓名", "负责人")),
    Column("contact_phone", ("联系电话", "电话", "手机", "联系人电话"), kind="phone"),
)
