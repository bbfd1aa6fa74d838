class CompareView { constructor() {} build() {} splitChanged() {} }
